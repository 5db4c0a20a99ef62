/** Maintenance as jobs: one at a time of those that must not overlap, whoever asked, with progress that can be asked for.
 *  Outcomes are kept for a while and forgotten with the process. */
import { randomBytes } from 'node:crypto'
import { limits } from '../core/limits.ts'

export type JobState = 'waiting' | 'running' | 'done' | 'failed'

export interface Job {
  /** 32 lower-case hex characters. */
  readonly id: string
  /** What it does, such as `gc`. */
  readonly kind: string
  readonly state: JobState
  readonly createdAt: number
  readonly endedAt: number | null
  /** What it told last; the outcome once it is done. */
  readonly progress: object
  /** Why it failed. */
  readonly error: Error | null
}

export interface Jobs {
  /** Puts work in a queue. `work` tells its progress through its argument and answers the outcome. Jobs of one `lane` run
   *  one at a time, those of different lanes side by side. */
  start(
    kind: string,
    work: (tell: (progress: object) => void) => Promise<object>,
    lane?: string,
  ): Job
  find(id: string): Job | undefined
  /** Resolves with the job when it has ended, well or not. */
  ended(id: string): Promise<Job>
  /** Resolves when no job runs or waits. */
  idle(): Promise<void>
}

export function createJobs(now: () => number): Jobs {
  const jobs = new Map<string, { job: Job; ended: Promise<Job> }>()
  const lanes = new Map<string, Promise<unknown>>()

  return {
    start: (kind, work, lane = 'collection') => {
      const id = randomBytes(16).toString('hex')
      let job: Job = {
        id,
        kind,
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
          return change({ state: 'done', progress, endedAt: now() })
        } catch (error) {
          const failure = error instanceof Error ? error : new Error(String(error))
          return change({ state: 'failed', error: failure, endedAt: now() })
        }
      }
      const ended = (lanes.get(lane) ?? Promise.resolve()).then(run)
      lanes.set(lane, ended)
      jobs.set(id, { job, ended })
      forgetOld(jobs)
      return job
    },
    find: (id) => jobs.get(id)?.job,
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
