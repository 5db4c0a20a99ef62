/** Silent records: whoever reported the run has died or is cut off, and nobody will report how
 *  it ended. */
import { limits } from '../../../core/limits.ts'
import type { Progress } from '../../metadata.ts'

/** Records not updated since the returned instant are silent. */
export function silentSince(now: number): number {
  return now - limits.recordSilenceMs
}

/** The progress to report at `now` of a run, or of a job or step of it, last updated at
 *  `updatedAt`. */
export function progressAt<Known extends Progress>(
  known: Known,
  updatedAt: number,
  now: number,
): Known {
  const { conclusion, startedAt } = known
  if (conclusion !== null || updatedAt > silentSince(now)) return known
  const durationMs = startedAt === null ? null : Math.max(0, updatedAt - startedAt)
  return { ...known, conclusion: 'stale', durationMs }
}
