/** Moves files and symlinks of a download into place, many per task. Runs in worker threads. */
import {
  close,
  constants,
  copyFileSync,
  lstatSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from 'node:fs'
import { promisify } from 'node:util'
import { FileError, openToRead } from './file-error.ts'
import type { MoveTask } from './file-tasks.ts'
import { partialBeside } from './save-as.ts'
import { isWindows, rename } from './system.ts'
import { hasErrno } from '../../core/errors.ts'

const closeLater = promisify(close)

/** Average rename time above which freeing the replaced file is left to the thread pool; below
 *  it the hand-over costs more than it saves. ext4, 1,024 files of 1 to 10 KB: with online
 *  discard (`discard`) 0.10 ms plain, 0.08 ms handed over; without it 0.05 ms plain, 0.08 ms
 *  handed over. */
const slowMs = 0.08
const judgedFiles = 8

/** Linux frees a replaced file within the rename, one at a time. Where freeing is slow (a file
 *  system with online discard: 0.3 ms), the replaced file is held open and closed by the thread
 *  pool, which frees several at once. Not on Windows, which does not replace open files. Errors:
 *  FileError. */
export async function moveFiles(
  { paths, replaces }: Omit<MoveTask, 'kind'>,
  now: () => number = () => performance.now(),
): Promise<Record<string, never>> {
  const list = paths.split('\0')
  const closing: Promise<void>[] = []
  let timed = 0
  let timedMs = 0
  const isSlow = (): boolean => !isWindows && timed === judgedFiles && timedMs > timed * slowMs
  try {
    for (const [index, replacesFile] of replaces.entries()) {
      const target = list[2 * index + 1]!
      const held = replacesFile === 1 && isSlow() ? hold(target) : undefined
      const begun = now()
      try {
        // On some file systems, and in some of their directories, two names can be one file.
        if (replacesFile === 0 && isThere(target)) throw occupied(target)
        await move(list[2 * index]!, target)
      } finally {
        if (held !== undefined) closing.push(closeLater(held))
      }
      if (replacesFile !== 1 || timed === judgedFiles) continue
      timed += 1
      timedMs += now() - begun
    }
  } finally {
    await Promise.all(closing)
  }
  return {}
}

async function move(from: string, to: string): Promise<void> {
  try {
    if (!(await isRenamed(from, to))) await moveAcross(from, to)
  } catch (error) {
    const reason = `cannot be moved into place: ${(error as Error).message}`
    throw new FileError(to, reason, { cause: error })
  }
}

export function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/** The failure of a move to a path at which nothing was expected. */
export function occupied(path: string): FileError {
  return new FileError(
    path,
    'appeared meanwhile: the file system cannot distinguish it from another name of the artifact, or another program created it',
  )
}

/** Returns false when the paths are on different file systems, for example when a directory
 *  below DEST is a mount point. */
export async function isRenamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if (hasErrno(error, 'EXDEV')) return false
    throw error
  }
}

/** Copies to a temporary name beside the target first, so that the file appears there whole,
 *  too. */
async function moveAcross(from: string, to: string): Promise<void> {
  const partial = partialBeside(to)
  try {
    const held = lstatSync(from)
    if (held.isSymbolicLink()) {
      symlinkSync(readlinkSync(from), partial)
    } else {
      copyFileSync(from, partial, constants.COPYFILE_EXCL)
      utimesSync(partial, held.atime, held.mtime)
    }
    await rename(partial, to)
  } catch (error) {
    rmSync(partial, { force: true })
    throw error
  }
  unlinkSync(from)
}

/** Opens the file that is about to be replaced; undefined when it cannot be read, and is then
 *  freed by the rename. */
function hold(path: string): number | undefined {
  try {
    return openToRead(path)
  } catch {
    return undefined
  }
}
