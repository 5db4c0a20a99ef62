/** Takes metadata snapshots at intervals, the first at once, and another one soon when changes no
 *  longer follow the last one. */
import type { Log } from '../../log.ts'
import { type Schedule, startSchedule } from '../schedule.ts'

/** How often it looks whether one is due. */
const roundMs = 5000
/** Wait after a snapshot before another one is taken because of a failure. */
const retryMs = 2 * 60_000

export interface SnapshotSchedule {
  intervalMs: number
  /** Whether uploads wait until changes follow a snapshot: another one is then not put off. */
  isAwaited: boolean
  /** Whether the bucket has a snapshot that changes follow. */
  isFollowed(): boolean
  /** Returns the figures of a snapshot; undefined if it failed. */
  take(): Promise<Record<string, number> | undefined>
  log: Log
}

export function startSnapshotSchedule(options: SnapshotSchedule): Schedule {
  const { intervalMs, isAwaited, isFollowed, take, log } = options
  /** By the monotonic clock. */
  let lastAt = -Infinity
  let hasFailed = false
  const waitMs = (): number => {
    if (isAwaited && !isFollowed()) return 0
    return isFollowed() && !hasFailed ? intervalMs : Math.min(retryMs, intervalMs)
  }
  return startSchedule({
    name: 'snapshot',
    intervalMs: Math.min(roundMs, intervalMs),
    firstMs: 0,
    log,
    round: async () => {
      if (performance.now() - lastAt < waitMs()) return {}
      const figures = await take()
      lastAt = performance.now()
      hasFailed = figures === undefined
      return figures ?? {}
    },
  })
}
