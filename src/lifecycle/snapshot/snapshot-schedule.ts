/** Takes metadata snapshots: the first at once, another one when so much has changed that a restore
 *  would take longer, and one soon when changes no longer follow the last one. */
import { dayMs } from '../../core/units.ts'
import type { Log } from '../../log.ts'
import { type Schedule, startSchedule } from '../schedule.ts'
import type { SentChanges } from './series.ts'

/** How often it looks whether one is due. */
const roundMs = 5000
/** Wait after a snapshot before another one is taken because of a failure. */
const retryMs = 2 * 60_000
/** Changes after which another snapshot is taken: so many objects, each of which a restore
 *  requests, or so large a part of the last snapshot. */
const changesMax = 1000
const changedPart = 1 / 8
/** Age of a snapshot after which another one is taken, whatever has changed: the older it is, the
 *  more objects must be intact. */
const ageMsMax = dayMs

export interface SnapshotSchedule {
  /** Least time between two snapshots. */
  intervalMs: number
  /** Whether uploads wait until changes follow a snapshot: another one is then not put off. */
  isAwaited: boolean
  /** Whether the bucket has a snapshot that changes follow. */
  isFollowed(): boolean
  sentSince(): SentChanges
  /** Returns the figures of a snapshot; undefined if it failed. */
  take(): Promise<{ snapshotBytes: number; [figure: string]: number } | undefined>
  log: Log
}

export function startSnapshotSchedule(options: SnapshotSchedule): Schedule {
  const { intervalMs, isAwaited, isFollowed, sentSince, take, log } = options
  /** By the monotonic clock. */
  let lastAt = -Infinity
  let last: { snapshotBytes: number } | undefined
  const isDue = (): boolean => {
    if (isAwaited && !isFollowed()) return true
    const ageMs = performance.now() - lastAt
    if (last === undefined || !isFollowed()) return ageMs >= Math.min(retryMs, intervalMs)
    const { objects, bytes } = sentSince()
    const isOutgrown = objects >= changesMax || bytes >= last.snapshotBytes * changedPart
    return ageMs >= intervalMs && (isOutgrown || ageMs >= ageMsMax)
  }
  return startSchedule({
    name: 'snapshot',
    intervalMs: Math.min(roundMs, intervalMs),
    firstMs: 0,
    log,
    round: async () => {
      if (!isDue()) return undefined
      last = await take()
      lastAt = performance.now()
      return last
    },
  })
}
