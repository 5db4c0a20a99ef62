/** Racy timestamps, as git calls them: a file whose mtime is very recent when it is examined can
 *  change again without a new mtime, so its stats are not recorded. */

/** Linux file systems take timestamps from a clock that ticks at least every 10 ms; a file
 *  system without fractions of seconds has ticks of up to 2 s. */
const fineTickMs = 50
const coarseTickMs = 2000

/** Whether a file with this mtime, examined no earlier than `examinedAt`, can change without a
 *  change of its mtime. */
export function isRacy(mtimeMs: number, examinedAt: number): boolean {
  return mtimeMs + (Number.isInteger(mtimeMs / 1000) ? coarseTickMs : fineTickMs) > examinedAt
}
