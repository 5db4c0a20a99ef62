/** Racy timestamps, as git calls them: a file that changed very recently when it was examined can
 *  change again without new times, so its stats are not recorded. */
import type { Stats } from 'node:fs'

/** Linux file systems take timestamps from a clock that ticks at least every 10 ms; a file
 *  system without fractions of seconds has ticks of up to 2 s. */
const fineTickMs = 50
const coarseTickMs = 2000

/** Whether a file with this mtime, examined no earlier than `examinedAt`, can change without a
 *  change of its mtime. */
export function isRacy(mtimeMs: number, examinedAt: number): boolean {
  return mtimeMs + (isWholeSecond(mtimeMs) ? coarseTickMs : fineTickMs) > examinedAt
}

/** Whether the stats of a file that was read between `examinedAt` and the stats identify what was
 *  read. A write whose mtime is reset afterwards shows only in the ctime. */
export function isSettled({ mtimeMs, ctimeMs }: Stats, examinedAt: number): boolean {
  // FAT, SSH and images of file systems have no ctime of their own and show the mtime instead.
  const hasCtime = !isWholeSecond(ctimeMs) || ctimeMs > mtimeMs
  return hasCtime && !isRacy(Math.max(mtimeMs, ctimeMs), examinedAt)
}

function isWholeSecond(ms: number): boolean {
  return Number.isInteger(ms / 1000)
}
