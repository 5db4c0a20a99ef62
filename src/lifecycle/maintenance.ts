/** Maintenance of a running store: scheduled and requested rounds go through one queue, so they
 *  never overlap. */
import type { Staging } from '../ingest/staging/staging.ts'
import type { Log } from '../log.ts'
import type { ClockWatch } from './clock-watch.ts'
import {
  type Collection,
  type CollectOptions,
  collect,
  type PlanOptions,
} from './collect/collect.ts'
import type { CompactionReach } from './collect/compaction-plan.ts'
import { createDebrisRemoval } from './collect/debris.ts'
import type { DiskSpace } from './disk-space.ts'
import { type Job, type JobOrigin, type Jobs, createJobs } from './background/jobs.ts'
import type { LifecyclePorts } from './ports.ts'
import { dropStaleUploads } from './recovery/recover.ts'
import { startSchedule } from './schedule.ts'

export interface Maintenance {
  /** Also for other work that must not overlap with a round. */
  jobs: Jobs
  /** Queues a garbage collection, or with `dryRun` its plan. The outcome is a `Collection`. */
  collect(options: { reach: CompactionReach; dryRun: boolean }): Job
  /** Ends the schedule, and stops the running job at its next step. */
  close(): Promise<void>
}

export interface MaintenanceOptions {
  ports: Omit<LifecyclePorts, 'signal'> & { staging: Staging }
  space: DiskSpace
  /** Fails when the packs are no longer this store's: a round deletes nothing then. */
  requirePacks(): Promise<void>
  clock: Pick<ClockWatch, 'look' | 'believedNow'>
  log: Log
  /** Time between two rounds; null disables them. */
  intervalMs: number | null
  compactBytesPerSecond: number | null
  historyMs: number
  /** Computes what a round would do at `now`. */
  plan(options: PlanOptions & { now: number }, signal: AbortSignal): Promise<Collection>
}

export function startMaintenance(options: MaintenanceOptions): Maintenance {
  const { space, requirePacks, clock, log, intervalMs } = options
  const stop = new AbortController()
  const jobs = createJobs({ now: options.ports.now, log })
  // What a clock destroys that jumps in the middle of a scheduled round is gone as well.
  const doubting = { ...options.ports, now: clock.believedNow }
  const removeDebris = createDebrisRemoval(doubting)
  const run = async (
    { reach, origin }: { reach: CompactionReach; origin: JobOrigin },
    onProgress: (progress: object) => void,
    signal: AbortSignal,
  ): Promise<Collection> => {
    const ports = { ...(origin === 'schedule' ? doubting : options.ports), signal }
    await requirePacks()
    await space.makeRoom()
    await dropStaleUploads(ports)
    try {
      return await collect(ports, collectOptions(options, reach, onProgress))
    } finally {
      // Also when a pack could not be removed, which fails every round for as long as it lasts.
      const debris = signal.aborted ? 0 : await removeDebris(signal)
      if (debris > 0) log.warn('removed packs that were never registered', { packs: debris })
      await space.restoreReserve()
    }
  }
  const startCollect = (
    { reach, dryRun }: { reach: CompactionReach; dryRun: boolean },
    origin: JobOrigin,
  ): Job =>
    jobs.start(
      'gc',
      async (onProgress, signal) =>
        dryRun
          ? await options.plan({ reach, now: options.ports.now() }, signal)
          : await run({ reach, origin }, onProgress, signal),
      { origin, dryRun, stop: stop.signal },
    )

  const schedule =
    intervalMs === null
      ? undefined
      : startSchedule({
          name: 'garbage collection',
          intervalMs,
          log,
          round: async () => {
            // Only scheduled rounds doubt the clock: whoever requests a round is expected to know
            // the time.
            if (clock.look() !== null) return {}
            const { id } = startCollect({ reach: 'background', dryRun: false }, 'schedule')
            const { state, progress } = await jobs.ended(id)
            // The queue has logged the reason.
            if (state !== 'done') return {}
            // What waits is no activity: it would be logged in every round.
            const {
              waitingPacks: _names,
              waitingBytes: _bytes,
              restorableBytes: _restorable,
              ...figures
            } = progress as Collection
            return figures
          },
        })
  return {
    jobs,
    collect: (asked) => startCollect(asked, 'request'),
    close: async () => {
      stop.abort()
      await schedule?.stop()
      await jobs.idle()
    },
  }
}

function collectOptions(
  { space, clock, compactBytesPerSecond, historyMs }: MaintenanceOptions,
  reach: CompactionReach,
  onProgress: (progress: object) => void,
): CollectOptions {
  return {
    reach,
    // Whoever requests everything now does not want it slowed down.
    compactBytesPerSecond: reach === 'now' ? null : compactBytesPerSecond,
    hasRoom: space.hasRoom,
    historyMs,
    believedNow: clock.believedNow,
    onProgress,
  }
}
