/** Metadata snapshots of a running store, and the changes that follow them. */
import type { BucketPlace } from '../../core/bucket-place.ts'
import { limits } from '../../core/limits.ts'
import type { Log } from '../../log.ts'
import type { PageCapture } from '../../metadata/metadata.ts'
import type { Job, JobOrigin, Jobs } from '../background/jobs.ts'
import type { Schedule } from '../schedule.ts'
import { startBucketWatch } from './bucket-watch.ts'
import { closeMsMax, openStoreSeries } from './series.ts'
import { type SnapshotSchedule, startSnapshotSchedule } from './snapshot-schedule.ts'
import { type SnapshotReport, takeSnapshot } from './take-snapshot.ts'

export interface SnapshotJobs {
  /** Queues a snapshot. The outcome is a `SnapshotReport`. */
  take(): Job
  /** How long the oldest change has waited that is not in the bucket. Infinity when changes do not
   *  follow. */
  lagMs(): number
  /** Resolves once the bucket has a snapshot that changes follow. */
  following(): Promise<unknown>
  /** Resolves when what was committed before the call may be acknowledged: at once, unless that
   *  waits for the bucket. Errors: as `Series.confirm`. */
  confirm(): Promise<void>
  /** Resolves with the reason once the bucket is another server's; otherwise never. */
  replaced: Promise<Error>
  /** Ends the schedule, stops a snapshot that is being taken, and sends the last changes. */
  close(): Promise<void>
}

export interface SnapshotJobsOptions {
  dataDir: string
  place: BucketPlace
  capture: PageCapture
  /** Returns why the bucket is another server's; undefined when it is not. */
  findSuccessor(): Promise<Error | undefined>
  jobs: Jobs
  log: Log
  /** Least time between two snapshots; null takes them only on request, and lets no changes
   *  follow. */
  intervalMs: number | null
  /** Time between two sends of changes; null: nothing is acknowledged before its changes are
   *  sent. */
  changesIntervalMs: number | null
}

export function startSnapshotJobs(options: SnapshotJobsOptions): SnapshotJobs {
  const { dataDir, place, capture, jobs, log, intervalMs, changesIntervalMs } = options
  const stop = new AbortController()
  const series = openStoreSeries({
    dataDir,
    place,
    capture,
    intervalMs: intervalMs === null ? null : (changesIntervalMs ?? limits.changesIntervalMs),
    log,
  })
  const watch = startBucketWatch(options.findSuccessor)
  // A bucket that accepts connections but stays silent is given up after two minutes.
  const stopped = new Promise<never>((_, reject) => {
    stop.signal.addEventListener('abort', () => {
      setTimeout(() => reject(stop.signal.reason as Error), closeMsMax).unref()
    })
  })
  stopped.catch(() => {})
  const take = (origin: JobOrigin): Job => {
    const work: Parameters<Jobs['start']>[1] = async (onProgress, signal) => {
      const taking = takeSnapshot(series, { dataDir, place, signal, onProgress })
      return await Promise.race([taking, stopped])
    }
    return jobs.start('snapshot', work, { lane: 'snapshot', origin, stop: stop.signal })
  }
  const takeDue: SnapshotSchedule['take'] = async () => {
    const { state, progress } = await jobs.ended(take('schedule').id)
    return state === 'done' ? { ...(progress as SnapshotReport) } : undefined
  }
  const { isFollowing } = series
  const schedule: Schedule | undefined =
    intervalMs === null
      ? undefined
      : startSnapshotSchedule({
          intervalMs,
          isAwaited: changesIntervalMs === null,
          isFollowed: isFollowing,
          sentSince: series.sentSince,
          take: takeDue,
          log,
        })
  return {
    take: () => take('request'),
    lagMs: () => (isFollowing() ? series.lagMs() : Infinity),
    following: series.following,
    confirm: changesIntervalMs === null ? series.confirm : async () => watch.requireKept(),
    replaced: watch.replaced,
    close: async () => {
      stop.abort()
      watch.stop()
      // A snapshot that waits for the capture fails when the series ends.
      await Promise.all([series.close(), schedule?.stop()])
    },
  }
}
