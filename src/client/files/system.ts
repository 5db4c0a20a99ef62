/** How Windows handles files differently (paths.ts covers path syntax). It has no permission
 *  bits, so an upload reports the usual modes and a download sets none. Files that are open
 *  cannot be moved or replaced. */
import { chmodSync, type Dirent, lstatSync, renameSync, type Stats } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defaultDirectoryMode } from '../../core/manifest/entry.ts'

export const isWindows: boolean = process.platform === 'win32'

const usualFileMode = 0o644

/** Stats of a directory entry. On Windows a Dirent reports everything that is stored elsewhere
 *  as a symlink, such as cloud files or files of a deduplicating volume, so it is examined
 *  again. */
export function entryAt(path: string, entry: Dirent): Dirent | Stats {
  return isWindows && entry.isSymbolicLink() ? lstatSync(path) : entry
}

/** Permission bits as uploaded. */
export function modeOf(stats: Stats): number {
  if (!isWindows) return stats.mode & 0o777
  return stats.isDirectory() ? defaultDirectoryMode : usualFileMode
}

/** Sets permission bits, but not on Windows: a mode without write permission would make the file
 *  read-only, and a read-only file cannot be replaced. */
export function setMode(path: string, mode: number): void {
  if (!isWindows) chmodSync(path, mode)
}

/** Mode to create a file with that is to have `mode`. */
export function openingMode(mode: number): number {
  return isWindows ? usualFileMode : mode
}

/** Whether permission bits match those of an artifact, as far as this system keeps them. */
export function isMode(found: number, wanted: number): boolean {
  return isWindows || (found & 0o777) === wanted
}

/** Longest wait for other programs to close a file: virus scanners open each new one. */
const heldMsMax = 10_000
const pauseMs = 50
const heldCodes = new Set(['EACCES', 'EBUSY', 'EPERM'])

/** Renames, replacing an existing file. Windows cannot move or replace an open file or a
 *  directory that contains one, nor replace a read-only file; open files are waited for and the
 *  read-only flag is cleared. Errors: those of the system. */
export async function rename(from: string, to: string): Promise<void> {
  for (const end = performance.now() + heldMsMax; ;) {
    try {
      return renameSync(from, to)
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (!isWindows || !heldCodes.has(code) || performance.now() >= end) throw error
    }
    if (isReadOnly(to)) chmodSync(to, usualFileMode)
    else await sleep(pauseMs)
  }
}

function isReadOnly(path: string): boolean {
  const held = lstatSync(path, { throwIfNoEntry: false })
  return held?.isFile() === true && (held.mode & 0o200) === 0
}
