/** Maintenance as jobs. Jobs that must not overlap run one at a time, whoever asked for them,
 *  and report progress. Outcomes are kept for a while, in memory only. Failures are also passed
 *  to the log, since nobody may ask for the outcome. */
import { asError, hasCode } from '../../core/errors.ts'
import { randomBytes } from 'node:crypto'
import { limits } from '../../core/limits.ts'
import type { Log } from '../../log.ts'

export type JobState = 'waiting' | 'running' | 'done' | 'failed' | 'cancelled'

/** Whether the job was started by a schedule or by a request. */
export type JobOrigin = 'schedule' | 'request'

export interface Job {
  /** 32 lower-case hex characters. */
  readonly id: string
  /** What it does, for example `gc`. */
  readonly kind: string
  readonly origin: JobOrigin
  /** It changes nothing: its outcome is what it would do. */
  readonly dryRun: boolean
  readonly state: JobState
  readonly createdAt: number
  readonly endedAt: number | null
  /** The last progress reported, also of a job that was cancelled; the outcome once it is done. */
  readonly progress: object
  /** Why it failed. */
  readonly error: Error | null
}

/** Outcomes of all jobs of one kind since the process began; dry runs and cancelled jobs do not
 *  count. */
export interface JobTally {
  readonly kind: string
  readonly done: number
  readonly failed: number
  /** When one last succeeded; null before that. */
  readonly lastDoneAt: number | null
}

export interface Jobs {
  /** Queues work. `work` reports progress through its argument and returns the outcome. Its signal
   *  is aborted when the job is cancelled, and with `stop`. Jobs of one `lane` run one at a time,
   *  those of different lanes concurrently. */
  start(
    kind: string,
    work: (onProgress: (progress: object) => void, signal: AbortSignal) => Promise<object>,
    options: { lane?: string; origin: JobOrigin; dryRun?: boolean; stop: AbortSignal },
  ): Job
  /** Ends a job: one that waits at once, one that runs at its next step. What it did until then
   *  stays done. Does nothing to one that has ended. */
  cancel(id: string): Job | undefined
  find(id: string): Job | undefined
  /** All jobs that are kept, newest first. */
  list(): Job[]
  /** By kind, in no order. */
  tallies(): JobTally[]
  /** Resolves with the job when it has ended, whether it succeeded or not. */
  ended(id: string): Promise<Job>
  /** Resolves when no job is running or waiting. */
  idle(): Promise<void>
}

interface KeptJob {
  /** As it is now. */
  job(): Job
  ended: Promise<Job>
  cancel(): void
}

/** Logs how jobs end, except those that are aborted. A job whose request was invalid counts as
 *  neither done nor failed. */
export function createJobs({ now, log }: { now(): number; log: Log }): Jobs {
  const jobs = new Map<string, KeptJob>()
  const lanes = new Map<string, Promise<unknown>>()
  const tallies = new Map<string, JobTally>()
  const count = ({ kind, dryRun }: Job, change: (tally: JobTally) => Partial<JobTally>): void => {
    if (dryRun) return
    const tally = tallies.get(kind) ?? { kind, done: 0, failed: 0, lastDoneAt: null }
    tallies.set(kind, { ...tally, ...change(tally) })
  }

  return {
    start: (kind, work, { lane = 'collection', origin, dryRun = false, stop }) => {
      const id = randomBytes(16).toString('hex')
      let job: Job = {
        id,
        kind,
        origin,
        dryRun,
        state: 'waiting',
        createdAt: now(),
        endedAt: null,
        progress: {},
        error: null,
      }
      const change = (changes: Partial<Job>): Job => {
        job = { ...job, ...changes }
        return job
      }
      const ending = new AbortController()
      const end = (): void => ending.abort(stop.reason)
      const cancel = (): void => {
        if (job.endedAt !== null) return
        if (job.state === 'waiting') change({ state: 'cancelled', endedAt: now() })
        ending.abort()
      }
      const run = async (): Promise<Job> => {
        if (job.state === 'cancelled') return job
        change({ state: 'running' })
        stop.addEventListener('abort', end)
        if (stop.aborted) end()
        try {
          const progress = await work((reported) => change({ progress: reported }), ending.signal)
          count(job, ({ done }) => ({ done: done + 1, lastDoneAt: now() }))
          const done = change({ state: 'done', progress, endedAt: now() })
          logDone(log, done)
          return done
        } catch (error) {
          const failure = asError(error)
          if (failure.name === 'AbortError' && ending.signal.aborted && !stop.aborted) {
            log.info(`${kind} was cancelled`, { job: id })
            return change({ state: 'cancelled', endedAt: now() })
          }
          if (origin === 'request' && hasCode(failure, 'invalid_request'))
            log.info(`${kind} was refused`, { job: id, reason: failure.message })
          else if (failure.name !== 'AbortError') {
            count(job, (tally) => ({ failed: tally.failed + 1 }))
            log.error(`${kind} failed`, { job: id, error: failure })
          }
          return change({ state: 'failed', error: failure, endedAt: now() })
        } finally {
          stop.removeEventListener('abort', end)
        }
      }
      const ended = (lanes.get(lane) ?? Promise.resolve()).then(run)
      lanes.set(lane, ended)
      jobs.set(id, { job: () => job, ended, cancel })
      forgetOld(jobs)
      return job
    },
    cancel: (id) => {
      jobs.get(id)?.cancel()
      return jobs.get(id)?.job()
    },
    find: (id) => jobs.get(id)?.job(),
    list: () => [...jobs.values()].map(({ job }) => job()).toReversed(),
    tallies: () => [...tallies.values()],
    ended: async (id) => {
      const kept = jobs.get(id)
      if (kept === undefined) throw new RangeError(`there is no job ${id}`)
      return await kept.ended
    },
    idle: async () => {
      for (let seen = 0; seen < lanes.size;) {
        const last = [...lanes]
        await Promise.all(last.map(([, ended]) => ended))
        seen = last.filter(([lane, ended]) => lanes.get(lane) === ended).length
      }
    },
  }
}

function logDone(log: Log, { kind, id, origin, dryRun, createdAt, endedAt, progress }: Job): void {
  // A schedule logs its rounds, as far as they did something.
  if (origin === 'schedule') return
  const figures = Object.entries(progress).filter(([, value]) => typeof value === 'number')
  const seconds = Math.round(((endedAt ?? createdAt) - createdAt) / 1000)
  log.info(`${dryRun ? 'the dry run of ' : ''}${kind} is done`, {
    job: id,
    seconds,
    ...Object.fromEntries(figures),
  })
}

function forgetOld(jobs: Map<string, KeptJob>): void {
  for (const [id, { job }] of jobs) {
    if (jobs.size <= limits.jobsKept) return
    if (job().endedAt !== null) jobs.delete(id)
  }
}
