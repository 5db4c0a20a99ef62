/** The children of one directory of an artifact. Manifests are flat and may name `a/b` without `a`, so directories are
 *  also found by what lies below them; whole subtrees are stepped over by seeking, so the cost follows the number of
 *  children and not the number of entries below. */
import { defaultDirectoryMode, type EntryPath } from '../core/entry.ts'
import { storeError } from '../core/errors.ts'
import { createEntryCursor, type EntryReader, type ListedEntry } from './entries.ts'

export interface DirectoryListing {
  /** In path order. A directory that no entry names has mode 755 and no time. */
  children: Pick<ListedEntry, 'entry' | 'modifiedAt'>[]
  /** Where to go on; null at the end. */
  next: string | null
}

/** Sorts after every name that could follow it in the same directory: `/` + 1. */
const afterSlash = '0'
/** Sorts before every character that a path may hold. */
const lowest = '\u0001'

/** At most `limit` children of `directory` ('' is the root), from `from` (a `next` of the page before) on. Undefined
 *  when there is no such directory. */
export async function listDirectory(
  reader: EntryReader,
  artifactId: number,
  { directory, limit, from }: { directory: string; limit: number; from: string | null },
): Promise<DirectoryListing | undefined> {
  const prefix = directory === '' ? '' : `${directory}/`
  const cursor = createEntryCursor(reader, artifactId)
  const children: DirectoryListing['children'] = []
  let position = from ?? prefix
  for (;;) {
    const found = await cursor.seek(position)
    if (found === undefined || !found.entry.path.startsWith(prefix)) break
    if (children.length === limit) return { children, next: position }
    const rest = found.entry.path.slice(prefix.length)
    const slash = rest.indexOf('/')
    if (slash === -1) {
      children.push({ entry: found.entry, modifiedAt: found.modifiedAt })
      position = `${found.entry.path}${lowest}`
      continue
    }
    const path = `${prefix}${rest.slice(0, slash)}` as EntryPath
    // `a` and `a/b` need not be neighbours (`a-b` sorts between), so a named directory was listed earlier.
    if ((await reader.findEntry(artifactId, path)) === undefined) {
      children.push({
        entry: { kind: 'directory', path, mode: defaultDirectoryMode },
        modifiedAt: null,
      })
    }
    position = `${path}${afterSlash}`
  }
  if (children.length === 0 && from === null && !(await isDirectory(reader, artifactId, directory)))
    return undefined
  return { children, next: null }
}

/** The failure to find `path` in an artifact. */
export function noSuchPath(artifact: { name: string }, path: string): Error {
  return storeError('not_found', `artifact ${artifact.name} has no ${JSON.stringify(path)}`, {
    what: path,
  })
}

async function isDirectory(
  reader: EntryReader,
  artifactId: number,
  path: string,
): Promise<boolean> {
  if (path === '') return true
  return (await reader.findEntry(artifactId, path))?.entry.kind === 'directory'
}
