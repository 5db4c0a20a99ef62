/** Scrub, backup, metadata snapshots and the scan for secrets in a running store, beside garbage
 *  collection: none deletes anything of the store, so they need not wait for it. All but snapshots
 *  run in a thread of their own. The background scrubs what is due at a modest rate; a requested
 *  pass takes everything, unthrottled. */
import { limits } from '../../core/limits.ts'
import { secretRulesVersion } from '../../core/secrets/secrets.ts'
import { dayMs } from '../../core/units.ts'
import type { Log } from '../../log.ts'
import type { Metadata, PageCapture } from '../../metadata/metadata.ts'
import type { PackPlace } from '../../packs/open-pack-store.ts'
import { databaseOf, keyFilesOf } from '../data-directory.ts'
import { type BackgroundTask, runInBackground } from './background.ts'
import type { Job, JobOrigin, Jobs } from './jobs.ts'
import { startSchedule } from '../schedule.ts'
import type { ScrubFinding, ScrubReport } from '../scrub/scrub.ts'
import type { SecretsReport } from '../secret-scan.ts'
import { type SnapshotJobs, startSnapshotJobs } from '../snapshot/snapshot-jobs.ts'

export interface BackgroundJobs {
  /** Queues a scrub of everything. The outcome is a `ScrubReport`. */
  scrub(): Job
  /** Queues a backup to a new directory on this machine. The outcome is a `BackupReport`. */
  backUp(options: { destination: string; copies: boolean }): Job
  /** Null when the packs are not in a bucket. */
  snapshots: Pick<SnapshotJobs, 'take' | 'lagMs' | 'following' | 'replaced'> | null
  /** Resolves when what was committed before the call may be acknowledged: at once, unless that
   *  waits for the bucket of the metadata. Acts with an author wait by themselves
   *  (snapshot/confirmed-acts.ts). Errors: as `Series.confirm`. */
  confirm(): Promise<void>
  /** Ends the schedules, and stops what runs at its next step; a later run resumes from there. */
  close(): Promise<void>
}

export interface BackgroundJobsOptions {
  dataDir: string
  packPlace: PackPlace
  /** Returns why the packs are another server's; undefined when they are not. */
  findSuccessor(): Promise<Error | undefined>
  /** Shared by the threads that use the database. */
  sharedLog: SharedArrayBuffer
  jobs: Jobs
  metadata: Pick<Metadata, 'listUnverifiedPacks' | 'listUnscanned'>
  log: Log
  /** Maximum age of a verification; null scrubs only on request. */
  scrubIntervalMs: number | null
  scrubBytesPerSecond: number | null
  /** As in `Config`. */
  snapshotIntervalMs: number | null
  changesIntervalMs: number | null
  /** What the database writes. */
  capture: PageCapture
  /** Whether to scan for secrets. */
  secrets: boolean
}

/** How often the background reconciles the rollups with their rows, which reads every row. */
const rollupsIntervalMs = dayMs

export function startBackgroundJobs(options: BackgroundJobsOptions): BackgroundJobs {
  const { dataDir, packPlace, jobs, log, scrubIntervalMs, scrubBytesPerSecond } = options
  const stop = new AbortController()
  const places = {
    databasePath: databaseOf(dataDir),
    packPlace,
    sharedLog: options.sharedLog,
  }
  const run = async (
    task: BackgroundTask,
    onProgress: (progress: object) => void,
    signal: AbortSignal,
  ): Promise<object> => {
    const onFinding = (finding: ScrubFinding): void => report(log, finding)
    return await runInBackground({ ...places, task }, { onProgress, onFinding, signal })
  }
  const start = (task: BackgroundTask, place: { lane: string; origin: JobOrigin }): Job =>
    jobs.start(task.kind, (onProgress, signal) => run(task, onProgress, signal), {
      ...place,
      stop: stop.signal,
    })

  let reconciledAt = performance.now() - rollupsIntervalMs + limits.scrubRoundMs
  const round = async (olderThanMs: number): Promise<Record<string, number>> => {
    const rollups = performance.now() - reconciledAt >= rollupsIntervalMs
    if (!rollups && !(await isDue(options, olderThanMs))) return {}
    const { id } = start(
      { kind: 'scrub', options: { olderThanMs, bytesPerSecond: scrubBytesPerSecond, rollups } },
      { lane: 'background scrub', origin: 'schedule' },
    )
    const { state, progress } = await jobs.ended(id)
    // Also after a failed pass, or every round would read every row.
    if (rollups) reconciledAt = performance.now()
    // The queue has logged the reason.
    if (state !== 'done') return {}
    const { damaged: _named, ...figures } = progress as ScrubReport
    return figures
  }
  const schedule =
    scrubIntervalMs === null
      ? undefined
      : startSchedule({
          name: 'scrub',
          intervalMs: limits.scrubRoundMs,
          log,
          round: async () => await round(scrubIntervalMs),
        })
  const snapshots =
    packPlace.kind === 'bucket'
      ? startSnapshotJobs({
          ...options,
          place: packPlace.bucket,
          intervalMs: options.snapshotIntervalMs,
        })
      : null
  const secretsSchedule = options.secrets
    ? startSchedule({
        name: 'secrets',
        intervalMs: limits.secretRoundMs,
        log,
        round: async () => {
          const page = { now: Date.now(), limit: 1 }
          if ((await options.metadata.listUnscanned(secretRulesVersion, page)).length === 0)
            return {}
          const bytesPerSecond = limits.secretBytesPerSecond
          const task = { kind: 'secrets', options: { bytesPerSecond } } as const
          const report = await run(task, () => {}, stop.signal)
          return { ...(report as SecretsReport) }
        },
      })
    : undefined
  return {
    scrub: () => {
      const everything = { olderThanMs: null, bytesPerSecond: null, rollups: true }
      return start({ kind: 'scrub', options: everything }, { lane: 'scrub', origin: 'request' })
    },
    backUp: ({ destination, copies }) => {
      const whole = { destination, copies, files: keyFilesOf(dataDir) }
      return start({ kind: 'backup', options: whole }, { lane: 'backup', origin: 'request' })
    },
    snapshots,
    confirm: snapshots?.confirm ?? (async () => {}),
    close: async () => {
      stop.abort()
      await Promise.all([schedule?.stop(), snapshots?.close(), secretsSchedule?.stop()])
    },
  }
}

async function isDue({ metadata }: BackgroundJobsOptions, olderThanMs: number): Promise<boolean> {
  const now = Date.now()
  const since = now - olderThanMs
  const after = { verifiedAt: -1, id: 0 }
  const due = { since, now, writtenBefore: since, after, limit: 1 }
  return (await metadata.listUnverifiedPacks(due)).length > 0
}

/** Any fault in what is stored is an error worth an alert. */
function report(log: Log, { kind, ...facts }: ScrubFinding): void {
  const messages = {
    copy: 'a stored copy is damaged',
    copies: 'more stored copies of a pack are damaged',
    framing: 'a pack has damaged framing and is rewritten',
    unjudged: 'a pack could not be judged',
    drift: 'a rollup had drifted and was corrected',
  }
  log.error(messages[kind], facts)
}
