/** Maintenance as jobs: one at a time of those that must not overlap, whoever asked, with progress that can be asked for.
 *  Outcomes are kept for a while and forgotten with the process; a failure is told to whoever keeps the log, since nobody
 *  may ask for it. */
import { asError, hasCode } from '../core/errors.ts'
import { randomBytes } from 'node:crypto'
import { limits } from '../core/limits.ts'

export type JobState = 'waiting' | 'running' | 'done' | 'failed'

/** Whether the clock or somebody asked for it. */
export type JobOrigin = 'schedule' | 'request'

export interface Job {
  /** 32 lower-case hex characters. */
  readonly id: string
  /** What it does, such as `gc`. */
  readonly kind: string
  readonly origin: JobOrigin
  readonly state: JobState
  readonly createdAt: number
  readonly endedAt: number | null
  /** What it told last; the outcome once it is done. */
  readonly progress: object
  /** Why it failed. */
  readonly error: Error | null
}

/** What became of all jobs of one kind since the process began. */
export interface JobTally {
  readonly kind: string
  readonly done: number
  readonly failed: number
  /** When one last ended well; null before that. */
  readonly lastDoneAt: number | null
}

export interface Jobs {
  /** Puts work in a queue. `work` tells its progress through its argument and answers the outcome. Jobs of one `lane` run
   *  one at a time, those of different lanes side by side. */
  start(
    kind: string,
    work: (tell: (progress: object) => void) => Promise<object>,
    options: { lane?: string; origin: JobOrigin },
  ): Job
  find(id: string): Job | undefined
  /** All that are kept, the newest first. */
  list(): Job[]
  /** By kind, in no order. */
  tallies(): JobTally[]
  /** Resolves with the job when it has ended, well or not. */
  ended(id: string): Promise<Job>
  /** Resolves when no job runs or waits. */
  idle(): Promise<void>
}

/** `onFailure` hears of every job that fails, but not of those that are stopped; `onRefusal` of those that could not be done as
 *  they were asked for, which count as neither done nor failed. */
export function createJobs({
  now,
  onFailure,
  onRefusal,
}: {
  now(): number
  onFailure(job: Job, error: Error): void
  onRefusal(job: Job, error: Error): void
}): Jobs {
  const jobs = new Map<string, { job: Job; ended: Promise<Job> }>()
  const lanes = new Map<string, Promise<unknown>>()
  const tallies = new Map<string, JobTally>()
  const count = (kind: string, change: (tally: JobTally) => Partial<JobTally>): void => {
    const tally = tallies.get(kind) ?? { kind, done: 0, failed: 0, lastDoneAt: null }
    tallies.set(kind, { ...tally, ...change(tally) })
  }

  return {
    start: (kind, work, { lane = 'collection', origin }) => {
      const id = randomBytes(16).toString('hex')
      let job: Job = {
        id,
        kind,
        origin,
        state: 'waiting',
        createdAt: now(),
        endedAt: null,
        progress: {},
        error: null,
      }
      const change = (changes: Partial<Job>): Job => {
        job = { ...job, ...changes }
        const kept = jobs.get(id)
        if (kept !== undefined) kept.job = job
        return job
      }
      const run = async (): Promise<Job> => {
        change({ state: 'running' })
        try {
          const progress = await work((told) => change({ progress: told }))
          count(kind, ({ done }) => ({ done: done + 1, lastDoneAt: now() }))
          return change({ state: 'done', progress, endedAt: now() })
        } catch (error) {
          const failure = asError(error)
          const failed = change({ state: 'failed', error: failure, endedAt: now() })
          if (hasCode(failure, 'invalid_request')) onRefusal(failed, failure)
          else if (failure.name !== 'AbortError') {
            count(kind, (tally) => ({ failed: tally.failed + 1 }))
            onFailure(failed, failure)
          }
          return failed
        }
      }
      const ended = (lanes.get(lane) ?? Promise.resolve()).then(run)
      lanes.set(lane, ended)
      jobs.set(id, { job, ended })
      forgetOld(jobs)
      return job
    },
    find: (id) => jobs.get(id)?.job,
    list: () => [...jobs.values()].map(({ job }) => job).toReversed(),
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

function forgetOld(jobs: Map<string, { job: Job }>): void {
  for (const [id, { job }] of jobs) {
    if (jobs.size <= limits.jobsKept) return
    if (job.endedAt !== null) jobs.delete(id)
  }
}
