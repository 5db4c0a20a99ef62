/** What Windows does otherwise with files (paths.ts has how they are named): it keeps no permission bits, so an upload says the
 *  usual ones and a download asks for none; and what somebody has open stays where it is. */
import { chmodSync, type Dirent, lstatSync, renameSync, type Stats } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defaultDirectoryMode } from '../../core/entry.ts'

export const isWindows: boolean = process.platform === 'win32'

const usualFileMode = 0o644

/** What a directory says of something in it. That of Windows takes for links all that is kept elsewhere, too, such as files
 *  of a cloud or of a volume that deduplicates. */
export function entryAt(path: string, entry: Dirent): Dirent | Stats {
  return isWindows && entry.isSymbolicLink() ? lstatSync(path) : entry
}

/** Permission bits of what is uploaded. */
export function modeOf(stats: Stats): number {
  if (!isWindows) return stats.mode & 0o777
  return stats.isDirectory() ? defaultDirectoryMode : usualFileMode
}

/** Windows would make what its owner may not write read-only, and then let nothing take its place. */
export function setMode(path: string, mode: number): void {
  if (!isWindows) chmodSync(path, mode)
}

/** What a file is opened with that is to have `mode`. */
export function openingMode(mode: number): number {
  return isWindows ? usualFileMode : mode
}

/** Whether permission bits are as an artifact says, as far as this machine keeps them. */
export function isMode(found: number, wanted: number): boolean {
  return isWindows || (found & 0o777) === wanted
}

/** How long others may have a file open: scanners for viruses look at each new one. */
const heldMsMax = 10_000
const pauseMs = 50
const heldCodes = new Set(['EACCES', 'EBUSY', 'EPERM'])

/** Renames, in place of a file that is there. Windows neither moves nor replaces what somebody has open, or a directory that
 *  holds it; nor does it replace what is read-only. Errors: those of the system. */
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
