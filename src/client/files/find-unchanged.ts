/** Finds the files that are unchanged since their stats were recorded; opens none. */
import type { Stats } from 'node:fs'
import { asBuffer } from '../../core/bytes/as-buffer.ts'
import { notAsCached, type UnchangedAnswer, type UnchangedTask } from './file-tasks.ts'
import { parentOf } from '../../core/manifest/entry.ts'
import { createRealDirectories, tryLstat } from './real-directories.ts'
import { modeOf } from './system.ts'
import { statColumns } from './stat-columns.ts'

/** Files that a worker takes per step. */
const filesAtOnce = 256

export function findUnchanged(task: Omit<UnchangedTask, 'kind'>): UnchangedAnswer {
  const directories: string[] = []
  const modes: number[] = []
  const findNext = createUnchangedFinder(task, (path, stats) => {
    directories.push(path)
    modes.push(modeOf(stats))
  })
  while (findNext(filesAtOnce));
  return { directories: directories.join('\n'), directoryModes: Uint16Array.from(modes) }
}

/** Returns a function that takes up to `files` files and checks them, and returns false when
 *  none was left. `onDirectory` is called once for each directory on the paths to the files. */
export function createUnchangedFinder(
  { root, text, starts, stats, throughLinks, cursor, modes }: Omit<UnchangedTask, 'kind'>,
  onDirectory: (path: string, stats: Stats) => void,
): (files: number) => boolean {
  const bytes = asBuffer(text)
  const isReal = createRealDirectories(root, onDirectory)
  const compare = (line: string, index: number): void => {
    const at = index * statColumns
    if (Number.isNaN(stats[at])) return
    // `f MODE SIZE SHA256 PATH`, as core/manifest/manifest.ts writes it.
    const path = line.slice(line.indexOf(' ', 6) + 66)
    const isThere = throughLinks || isReal(parentOf(path))
    const found = isThere ? tryLstat(`${root}/${path}`) : undefined
    const isSame =
      found?.isFile() === true &&
      found.size === stats[at] &&
      found.mtimeMs === stats[at + 1] &&
      found.ctimeMs === stats[at + 2] &&
      found.ino === stats[at + 3]
    modes[index] = isSame ? modeOf(found) : notAsCached
  }
  return (files) => {
    const from = Atomics.add(cursor, 0, files)
    const to = Math.min(from + files, modes.length)
    if (from >= to) return false
    const lines = bytes.toString('utf8', starts[from], starts[to]! - 1).split('\n')
    for (const [index, line] of lines.entries()) compare(line, from + index)
    return true
  }
}
