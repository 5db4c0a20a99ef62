/** How DEST spells names, on file systems that ignore case. */
import type { Dirent } from 'node:fs'
import { join } from 'node:path'
import { parentOf } from '../../core/manifest/entry.ts'
import { tryLstat } from '../files/real-directories.ts'
import { foldName } from './refused-names.ts'

/** Returns a function that maps a name in DEST to the tree's spelling of it, on file systems that
 *  ignore case: the tree's spelling must exist in DEST, and no other directory entry may have it.
 *  Other names are returned unchanged. */
export function createSpeller(
  directory: string,
  entries: readonly Dirent[],
  known: ReadonlyMap<string, unknown>,
): (name: string) => string {
  let spellings: Map<string, string> | undefined
  return (name) => {
    spellings ??= new Map([...known.keys()].map((own) => [foldName(own), own]))
    const own = spellings.get(foldName(name))
    if (own === undefined || entries.some((entry) => entry.name === own)) return name
    return tryLstat(join(directory, own)) === undefined ? name : own
  }
}

/** Returns a predicate for paths that exist: whether directories list all their names as given.
 *  They are only read where names in another case are the same. Results are cached. */
export function createSpellingCheck(
  root: string,
  entriesOf: (directory: string) => readonly Dirent[],
): (path: string) => boolean {
  const checked = new Map<string, boolean>([['', true]])
  const listed = new Map<string, ReadonlySet<string>>()
  const isListed = (parent: string, name: string): boolean => {
    const directory = join(root, parent)
    const upper = name.toUpperCase()
    const twin = tryLstat(join(directory, upper === name ? name.toLowerCase() : upper))
    if (twin === undefined) return true
    const names = listed.get(parent) ?? new Set(entriesOf(directory).map((each) => each.name))
    listed.set(parent, names)
    return names.has(name)
  }
  const isSpelled = (path: string): boolean => {
    const known = checked.get(path)
    if (known !== undefined) return known
    const parent = parentOf(path)
    const found =
      isSpelled(parent) && isListed(parent, path.slice(parent === '' ? 0 : parent.length + 1))
    checked.set(path, found)
    return found
  }
  return isSpelled
}
