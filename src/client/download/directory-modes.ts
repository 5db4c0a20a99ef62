/** Permissions of directories: those that are entries have a mode in the tree; those that only
 *  paths imply have the default mode. */
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { defaultDirectoryMode, parentOf } from '../../core/manifest/entry.ts'
import { createRealDirectories, tryLstat } from '../files/real-directories.ts'
import { becameAnother } from '../files/file-error.ts'
import { isMode, setMode } from '../files/system.ts'
import type { Downloading } from './downloading.ts'
import type { FetchedTree } from './tree-columns.ts'

/** Number of entries, and of examined directories, between yields to the event loop: about half
 *  a millisecond. */
const entriesAtOnce = 512
const looksAtOnce = 64

/** Compares the current modes of DEST's directories with the tree. Returns a function that sets the
 *  modes of directories that were missing or had another mode, and of those in `opened`, whose
 *  modes were changed temporarily. */
export async function compareDirectoryModes(
  { tree, wanted, destination: { root } }: Downloading,
  {
    others,
    seen,
    unseen,
  }: {
    /** The wanted entries that are not files. */
    others: readonly number[]
    /** Permission bits of directories that have been examined. */
    seen: ReadonlyMap<string, number>
    /** Entries whose directories may be missing from `seen`. */
    unseen: readonly number[]
  },
): Promise<(opened: ReadonlySet<string>) => void> {
  const asked = new Set<string>()
  for (const ordinal of others)
    if (tree.kind(ordinal) === 'directory') asked.add(tree.path(ordinal))
  // From all entries, not only wanted ones: the directory of a wanted file has its mode from its
  // own entry.
  const explicit = explicitModes(tree)
  const modeOf = (path: string): number => explicit.get(path) ?? defaultDirectoryMode

  const unseenPaths = await directoriesOf(tree, unseen)
  for (const path of asked) if (!seen.has(path)) unseenPaths.add(path)
  /** Directories that DEST does not have, or has in another mode. */
  const odd: string[] = []
  let looks = 0
  for (const path of unseenPaths) {
    if (seen.has(path)) continue
    const found = tryLstat(join(root, path))
    if (found?.isDirectory() !== true || !isMode(found.mode, modeOf(path))) odd.push(path)
    looks += 1
    if (looks % looksAtOnce === 0) await setImmediate()
  }
  const oddSeen = [...seen]
    .filter(([path, mode]) => !isMode(mode, modeOf(path)))
    .map(([path]) => path)
  if (oddSeen.length > 0) {
    // The cache can cover more than is wanted.
    const own = await directoriesOf(tree, wanted)
    odd.push(...oddSeen.filter((path) => own.has(path) || asked.has(path)))
  }
  return (opened) => {
    const modes = new Map<string, number>()
    // Fetching can take long: what has become a symlink would lead out of DEST.
    const isReal = createRealDirectories(root, (path, { mode }) => modes.set(path, mode))
    // Deepest first, because a mode may forbid entering the directory.
    for (const path of [...odd, ...opened].toSorted((a, b) => b.length - a.length)) {
      // DEST itself is not an entry.
      if (path === '') continue
      const directory = join(root, path)
      if (!isReal(path)) throw becameAnother(directory, 'directory')
      if (!isMode(modes.get(path)!, modeOf(path))) setMode(directory, modeOf(path))
    }
  }
}

/** Permission bits of the directories that are entries. */
export function explicitModes(tree: FetchedTree): Map<string, number> {
  const explicit = new Map<string, number>()
  for (let ordinal = 0; ordinal < tree.count; ordinal++)
    if (tree.kind(ordinal) === 'directory') explicit.set(tree.path(ordinal), tree.mode(ordinal))
  return explicit
}

/** Returns the directories that the paths of entries imply. */
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
    // Most files are in the same directory as the previous one.
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
