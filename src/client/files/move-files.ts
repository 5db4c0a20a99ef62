/** Moves of files (and links) of a download, many in a task. Runs in worker threads. */
import {
  close,
  constants,
  copyFileSync,
  lstatSync,
  openSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from 'node:fs'
import { promisify } from 'node:util'
import { FileError } from './file-error.ts'
import type { MoveTask } from './file-tasks.ts'
import { partialBeside } from './save-as.ts'
import { isWindows, rename } from './system.ts'

const closeLater = promisify(close)

/** A rename that takes longer than this, on the average of so many, is worth to be relieved; elsewhere to hand a file over
 *  takes longer than to free it. ext4, 1,024 files of 1 to 10 KB: 0.10 ms where it tells its disk of each block at once,
 *  0.08 when relieved; 0.05 where it does not, 0.08 when relieved. */
const slowMs = 0.08
const judgedFiles = 8

/** Linux frees the file that is replaced within the rename, of which there is one at a time. Where that takes long (a file
 *  system that tells its disk of each block at once: 0.3 ms), the file is held open until it is closed by the thread pool,
 *  which frees several at once; not on Windows, which replaces none that is open. Errors: FileError. */
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
    const reason = `cannot be put into place: ${(error as Error).message}`
    throw new FileError(to, reason, { cause: error })
  }
}

/** False where the two lie in different file systems, as below a directory of DEST that is a mount point. */
export async function isRenamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EXDEV') return false
    throw error
  }
}

/** Copied beside its place first, so that it gets its name as a whole there too. */
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

/** Undefined where the file cannot be read: then it goes with the rename. */
function hold(path: string): number | undefined {
  try {
    // What took the place of the file meanwhile must not be waited for.
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
}
