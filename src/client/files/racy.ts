/** A file whose mtime is as young as the look at it could have changed again without a new mtime, so its look is not recorded
 *  (git calls such timestamps racy). */

/** Timestamps of Linux file systems come from a clock that ticks every 10 ms at most; a file system without fractions of
 *  seconds has ticks of up to 2 s. */
const fineTickMs = 50
const coarseTickMs = 2000

/** Whether a file with this mtime, looked at no earlier than `lookedAt`, may change without showing it. */
export function isRacy(mtimeMs: number, lookedAt: number): boolean {
  return mtimeMs + (Number.isInteger(mtimeMs / 1000) ? coarseTickMs : fineTickMs) > lookedAt
}
