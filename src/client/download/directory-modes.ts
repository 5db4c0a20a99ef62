/** Permissions of directories: the tree says them of some, and those that only paths tell of have the usual ones. */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { defaultDirectoryMode } from '../../core/entry.ts'
import { lookAt, parentOf } from '../files/real-directories.ts'
import { isMode, setMode } from '../files/system.ts'
import type { FetchedTree } from './tree-columns.ts'

export interface DirectoryModes {
  /** Gives directories their modes: those that DEST did not have so, and those that `opened` names, as their modes were
   *  changed meanwhile. */
  set(opened: ReadonlySet<string>): void
}

export interface DirectoryModesOptions {
  root: string
  tree: FetchedTree
  wanted: readonly number[]
  /** Those of them that are no files. */
  others: readonly number[]
  /** Permission bits of directories that have been looked at. */
  seen: ReadonlyMap<string, number>
  /** Entries whose directories may not be among these. */
  unseen: readonly number[]
}

/** Entries, and looks at directories, between which others get a turn: about half a millisecond. */
const entriesAtOnce = 512
const looksAtOnce = 64

/** Looks at the modes that DEST's directories have now. */
export async function compareDirectoryModes(
  options: DirectoryModesOptions,
): Promise<DirectoryModes> {
  const { root, tree, wanted, others, seen, unseen } = options
  const asked = new Set<string>()
  for (const ordinal of others)
    if (tree.kind(ordinal) === 'directory') asked.add(tree.path(ordinal))
  // Of what is not asked for too: a file that is lies in a directory that has its mode.
  const said = saidModes(tree)
  const modeOf = (path: string): number => said.get(path) ?? defaultDirectoryMode

  const unseenPaths = await directoriesOf(tree, unseen)
  for (const path of asked) if (!seen.has(path)) unseenPaths.add(path)
  /** Directories that DEST does not have, or in another mode. */
  const odd: string[] = []
  let looks = 0
  for (const path of unseenPaths) {
    if (seen.has(path)) continue
    const found = lookAt(join(root, path))
    if (found?.isDirectory() !== true || !isMode(found.mode, modeOf(path))) odd.push(path)
    looks += 1
    if (looks % looksAtOnce === 0) await setImmediate()
  }
  const oddSeen = [...seen]
    .filter(([path, mode]) => !isMode(mode, modeOf(path)))
    .map(([path]) => path)
  if (oddSeen.length > 0) {
    // What was known is more than what is wanted.
    const own = await directoriesOf(tree, wanted)
    odd.push(...oddSeen.filter((path) => own.has(path) || asked.has(path)))
  }
  return {
    set: (opened) => {
      // Deepest first, because a directory may forbid entering it.
      for (const path of [...odd, ...opened].toSorted((a, b) => b.length - a.length)) {
        // DEST itself is nobody's entry.
        if (path === '') continue
        const directory = join(root, path)
        if (!isMode(lstatSync(directory).mode, modeOf(path))) setMode(directory, modeOf(path))
      }
    },
  }
}

/** Permission bits of the directories that are entries. */
export function saidModes(tree: FetchedTree): Map<string, number> {
  const said = new Map<string, number>()
  for (let ordinal = 0; ordinal < tree.count; ordinal++)
    if (tree.kind(ordinal) === 'directory') said.set(tree.path(ordinal), tree.mode(ordinal))
  return said
}

/** Directories that paths of entries tell of. */
export async function directoriesOf(
  tree: FetchedTree,
  ordinals: readonly number[],
): Promise<Set<string>> {
  const directories = new Set<string>()
  let last: number | undefined
  let seen = 0
  for (const ordinal of ordinals) {
    seen += 1
    if (seen % entriesAtOnce === 0) await setImmediate()
    // Most files follow one of the same directory.
    if (last === undefined || !tree.areBeside(last, ordinal)) {
      for (let path = parentOf(tree.path(ordinal)); path !== '' && !directories.has(path);) {
        directories.add(path)
        path = parentOf(path)
      }
    }
    last = ordinal
  }
  return directories
}
