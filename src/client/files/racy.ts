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
 *  read. */
export function isSettled(stats: Stats, examinedAt: number): boolean {
  const { mtimeMs, ctimeMs } = stats
  return hasCtime(stats) && !isRacy(Math.max(mtimeMs, ctimeMs), examinedAt)
}

/** Like `isSettled`, of a file that this program has written: its ctime may be new, but not of a
 *  coarse clock. */
export function isSettledAsMade(stats: Stats, examinedAt: number): boolean {
  const { mtimeMs, ctimeMs } = stats
  const isCoarse = isWholeSecond(ctimeMs)
  return hasCtime(stats) && !isRacy(isCoarse ? ctimeMs : mtimeMs, examinedAt)
}

/** Whether the ctime shows a write whose mtime is reset afterwards. FAT, SSH and images of file
 *  systems have no ctime of their own and show the mtime instead. */
function hasCtime({ mtimeMs, ctimeMs }: Stats): boolean {
  return !isWholeSecond(ctimeMs) || ctimeMs > mtimeMs
}

function isWholeSecond(ms: number): boolean {
  return Number.isInteger(ms / 1000)
}
