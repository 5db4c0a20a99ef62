/** Records that fell silent: who told of the run has died, or is cut off, and nobody will tell how it ended. */
import { limits } from '../../../core/limits.ts'
import type { Progress } from '../../metadata.ts'

/** Records of which nothing was heard since then are silent. */
export function silentSince(now: number): number {
  return now - limits.recordSilenceMs
}

/** What is to be told at `now` of a run, or a job or step of it, that was heard of last at `updatedAt`. */
export function toldAt<Told extends Progress>(told: Told, updatedAt: number, now: number): Told {
  const { conclusion, startedAt } = told
  if (conclusion !== null || updatedAt > silentSince(now)) return told
  const durationMs = startedAt === null ? null : Math.max(0, updatedAt - startedAt)
  return { ...told, conclusion: 'stale', durationMs }
}
