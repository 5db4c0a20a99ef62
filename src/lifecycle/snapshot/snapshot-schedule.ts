/** Takes metadata snapshots at intervals, counted from the newest one in the bucket, so that a
 *  server that restarts often takes them too. */
import type { Log } from '../../log.ts'
import { type Schedule, startSchedule } from '../schedule.ts'

/** How often it looks whether one is due. */
const roundMs = 60_000
/** Wait after a failure, unless the interval is shorter. */
const retryMs = 10 * 60_000

export interface SnapshotSchedule {
  intervalMs: number
  /** When the newest snapshot was taken; undefined if there is none. */
  newestAt(): Promise<number | undefined>
  /** Returns the figures of a snapshot; undefined if it failed. */
  take(): Promise<Record<string, number> | undefined>
  log: Log
}

export function startSnapshotSchedule(options: SnapshotSchedule): Schedule {
  const { intervalMs, newestAt, take, log } = options
  /** By the monotonic clock. */
  let dueAt: number | undefined
  const firstDueAt = async (): Promise<number> => {
    // The clock of the service may be ahead.
    const ageMs = Math.max(0, Date.now() - ((await newestAt()) ?? -Infinity))
    return performance.now() + intervalMs - ageMs
  }
  return startSchedule({
    name: 'snapshot',
    intervalMs: Math.min(roundMs, intervalMs),
    log,
    round: async () => {
      dueAt ??= await firstDueAt()
      if (performance.now() < dueAt) return {}
      const figures = await take()
      const waitMs = figures === undefined ? Math.min(retryMs, intervalMs) : intervalMs
      dueAt = performance.now() + waitMs
      return figures ?? {}
    },
  })
}
