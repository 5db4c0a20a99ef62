/** Scrub, backup and the scan for secrets in a running store, each in a thread of its own
 *  concurrently with garbage collection: none deletes anything, so they need not wait for it.
 *  The background scrubs what is due at a modest rate; a requested pass takes everything,
 *  unthrottled. */
import { join } from 'node:path'
import { limits } from '../../core/limits.ts'
import { secretRulesVersion } from '../../core/secrets/secrets.ts'
import type { Log } from '../../log.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import type { PackPlace } from '../../packs/open-pack-store.ts'
import { keyFilesOf } from '../backup/backup.ts'
import { type BackgroundTask, runInBackground } from './background.ts'
import type { Job, JobOrigin, Jobs } from './jobs.ts'
import { startSchedule } from '../schedule.ts'
import type { ScrubFinding, ScrubReport } from '../scrub/scrub.ts'

export interface BackgroundJobs {
  /** Queues a scrub of everything. The outcome is a `ScrubReport`. */
  scrub(): Job
  /** Queues a backup to a new directory on this machine. The outcome is a `BackupReport`. */
  backUp(options: { destination: string; copies: boolean }): Job
  /** Ends the schedules, and stops what runs at its next step; a later run resumes from there. */
  close(): Promise<void>
}

export interface BackgroundJobsOptions {
  dataDir: string
  packPlace: PackPlace
  /** Shared by the threads that use the database. */
  sharedLog: SharedArrayBuffer
  jobs: Jobs
  metadata: Pick<Metadata, 'listUnverifiedPacks' | 'listUnscanned'>
  log: Log
  /** Maximum age of a verification; null scrubs only on request. */
  scrubIntervalMs: number | null
  scrubBytesPerSecond: number | null
  /** Whether to scan for secrets. */
  secrets: boolean
}

/** How often the background reconciles the rollups with their rows, which reads every row. */
const rollupsIntervalMs = 24 * 60 * 60 * 1000

export function startBackgroundJobs(options: BackgroundJobsOptions): BackgroundJobs {
  const { dataDir, jobs, log, scrubIntervalMs, scrubBytesPerSecond } = options
  const stop = new AbortController()
  const places = {
    databasePath: join(dataDir, 'trove.db'),
    packPlace: options.packPlace,
    sharedLog: options.sharedLog,
  }
  const background = (onProgress: (progress: object) => void) => ({
    onProgress,
    onFinding: (finding: ScrubFinding) => report(log, finding),
    signal: stop.signal,
  })
  const startScrub = (task: ScrubTask, options: { lane: string; origin: JobOrigin }): Job =>
    jobs.start(
      'scrub',
      (onProgress) => runInBackground({ ...places, task }, background(onProgress)),
      options,
    )

  let reconciledAt = performance.now() - rollupsIntervalMs + limits.scrubRoundMs
  const round = async (olderThanMs: number): Promise<Record<string, number>> => {
    const rollups = performance.now() - reconciledAt >= rollupsIntervalMs
    if (!rollups && !(await isDue(options, olderThanMs))) return {}
    const scrubOptions = { olderThanMs, bytesPerSecond: scrubBytesPerSecond, rollups }
    const { id } = startScrub(
      { kind: 'scrub', options: scrubOptions },
      { lane: 'background scrub', origin: 'schedule' },
    )
    const { state, progress } = await jobs.ended(id)
    // Also after a failed pass, or every round would read every row.
    if (rollups) reconciledAt = performance.now()
    // The queue has logged the reason.
    if (state === 'failed') return {}
    return figuresOf(progress as ScrubReport)
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
  const secretsSchedule = options.secrets
    ? startSchedule({
        name: 'secrets',
        intervalMs: limits.secretRoundMs,
        log,
        round: async () => {
          const page = { now: Date.now(), limit: 1 }
          if ((await options.metadata.listUnscanned(secretRulesVersion, page)).length === 0)
            return {}
          const task = {
            kind: 'secrets',
            options: { bytesPerSecond: limits.secretBytesPerSecond },
          } as const
          return {
            ...(await runInBackground(
              { ...places, task },
              background(() => {}),
            )),
          }
        },
      })
    : undefined
  return {
    scrub: () => {
      const everything = { olderThanMs: null, bytesPerSecond: null, rollups: true }
      return startScrub(
        { kind: 'scrub', options: everything },
        { lane: 'scrub', origin: 'request' },
      )
    },
    backUp: ({ destination, copies }) => {
      const files = keyFilesOf(dataDir)
      const task = { kind: 'backup', options: { destination, copies, files } } as const
      return jobs.start(
        'backup',
        (onProgress) => runInBackground({ ...places, task }, background(onProgress)),
        { lane: 'backup', origin: 'request' },
      )
    },
    close: async () => {
      stop.abort()
      await Promise.all([schedule?.stop(), secretsSchedule?.stop()])
    },
  }
}

type ScrubTask = Extract<BackgroundTask, { kind: 'scrub' }>

async function isDue({ metadata }: BackgroundJobsOptions, olderThanMs: number): Promise<boolean> {
  const now = Date.now()
  const since = now - olderThanMs
  const after = { verifiedAt: -1, id: 0 }
  const due = { since, now, writtenBefore: since, after, limit: 1 }
  return (await metadata.listUnverifiedPacks(due)).length > 0
}

function figuresOf({ damaged: _named, ...figures }: ScrubReport): Record<string, number> {
  return figures
}

/** Any fault in what is stored is an error worth an alert. */
function report(log: Log, { kind, ...facts }: ScrubFinding): void {
  const messages = {
    copy: 'a stored copy is damaged',
    framing: 'a pack has damaged framing and is rewritten',
    unjudged: 'a pack could not be judged',
    drift: 'a rollup had drifted and was corrected',
  }
  log.error(messages[kind], facts)
}
