/** Permissions of directories: the tree says them of some, and those that only paths tell of have the usual ones. */
import { chmodSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { defaultDirectoryMode } from '../core/entry.ts'
import type { Destination } from './destination.ts'
import { lookAt, parentOf } from './real-directories.ts'
import type { FetchedTree } from './tree-columns.ts'

export interface DirectoryModes {
  /** Gives directories their modes: those that DEST did not have so, and those that `opened` names, as their modes were
   *  changed meanwhile. */
  set(opened: ReadonlySet<string>): void
}

/** Entries, and looks at directories, between which others get a turn: about half a millisecond. */
const entriesAtOnce = 512
const looksAtOnce = 64

/** Looks at the modes that DEST's directories have now. */
export async function compareDirectoryModes(
  { root }: Pick<Destination, 'root'>,
  tree: FetchedTree,
  wanted: readonly number[],
): Promise<DirectoryModes> {
  const modes = new Map<string, number>()
  /** Directories that DEST does not have, or in another mode. */
  const odd: string[] = []
  const addUsual = (directory: string): void => {
    for (let path = directory; path !== '' && !modes.has(path); path = parentOf(path))
      modes.set(path, defaultDirectoryMode)
  }
  let last: number | undefined
  let seen = 0
  for (const ordinal of wanted) {
    if (tree.kind(ordinal) === 'directory') modes.set(tree.path(ordinal), tree.mode(ordinal))
    // Most files follow one of the same directory.
    if (last === undefined || !tree.areBeside(last, ordinal)) addUsual(parentOf(tree.path(ordinal)))
    last = ordinal
    seen += 1
    if (seen % entriesAtOnce === 0) await setImmediate()
  }
  seen = 0
  for (const [path, mode] of modes) {
    const found = lookAt(join(root, path))
    if (found?.isDirectory() !== true || (found.mode & 0o777) !== mode) odd.push(path)
    seen += 1
    if (seen % looksAtOnce === 0) await setImmediate()
  }
  return {
    set: (opened) => {
      // Deepest first, because a directory may forbid entering it.
      for (const path of [...odd, ...opened].toSorted((a, b) => b.length - a.length)) {
        const mode = modes.get(path)
        // DEST itself is nobody's entry.
        if (mode === undefined) continue
        const directory = join(root, path)
        if ((lstatSync(directory).mode & 0o777) !== mode) chmodSync(directory, mode)
      }
    },
  }
}
