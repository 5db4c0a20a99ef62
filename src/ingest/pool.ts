/** Runs ingest jobs in worker threads, so that hashing, inflating and deflating never block the event loop that
 *  answers requests. A job goes to the worker with the fewest; what exceeds `jobsPerWorker`, or the share of its project,
 *  waits in order. */
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { asError, storeError } from '../core/errors.ts'
import type { IngestJob } from './job.ts'
import type { IngestWorkerData, PoolAnswer, PoolJob } from './pool-job.ts'
import { type PoolWorker, runOn, startWorker } from './pool-worker.ts'
import type { NegotiationAnswers, NegotiationJob } from './negotiated/job.ts'
import type { Published } from './publish.ts'

export interface IngestPool {
  /** Runs a job to its end; `body` is read only as fast as the job takes it, and destroyed when the job is over.
   *  Errors: those of `ingest`, what `body` fails with, busy (too many jobs wait), shutting_down. */
  run(job: IngestJob, body?: Readable, signal?: AbortSignal): Promise<Published>
  /** Runs one step of a negotiated upload in the same way. */
  negotiate<Job extends NegotiationJob>(
    job: Job & { projectId: number },
    body?: Readable,
    signal?: AbortSignal,
  ): Promise<NegotiationAnswers[Job['step']]>
  /** Lets running jobs finish, then ends the threads. Jobs that wait fail with shutting_down. */
  close(): Promise<void>
}

export interface IngestPoolOptions extends IngestWorkerData {
  workers: number
  /** Told when a thread dies, whose jobs have failed, and when none can begin in its place yet. */
  onWorkerFailure(error: Error): void
}

/** Streamed bodies wait on their senders, so a thread serves several; each may hold two ingest batches. */
const jobsPerWorker = 8
const waitingMax = 1000
/** Of these places, what one project may take: senders that are slow, on purpose too, hold theirs as long as they like. */
const shareOfProject = 0.75
/** Between two tries to begin a thread in place of one that ended. */
const restartPauseMs = 1000

interface WaitingJob {
  projectId: number
  start(worker: PoolWorker): void
  reject(error: unknown): void
}

export async function openIngestPool(options: IngestPoolOptions): Promise<IngestPool> {
  const workers: PoolWorker[] = []
  const waiting: WaitingJob[] = []
  const runningMax = shareOfProject * options.workers * jobsPerWorker
  let closing = false

  /** The first whose project has not its share. */
  const takeWaiting = (): WaitingJob | undefined => {
    if (waiting.length === 0) return undefined
    const running = countByProject(workers.flatMap(({ jobs }) => [...jobs]))
    const at = waiting.findIndex(({ projectId }) => (running.get(projectId) ?? 0) < runningMax)
    return at < 0 ? undefined : waiting.splice(at, 1)[0]
  }

  const startWaiting = (): void => {
    for (;;) {
      const worker = leastBusy(workers)
      if (worker === undefined || worker.jobs.size >= jobsPerWorker) return
      const next = takeWaiting()
      if (next === undefined) return
      next.start(worker)
    }
  }

  const addWorker = async (): Promise<void> => {
    const worker = await startWorker(options)
    void worker.thread.died.then((error) => {
      workers.splice(workers.indexOf(worker), 1)
      options.onWorkerFailure(error)
      void replaceWorker()
    })
    workers.push(worker)
    if (closing) await worker.thread.close()
  }
  /** Until it begins: what kept it from that may pass, and uploads wait meanwhile. */
  const replaceWorker = async (): Promise<void> => {
    while (!closing) {
      try {
        await addWorker()
        startWaiting()
        return
      } catch (failure) {
        options.onWorkerFailure(asError(failure))
        await sleep(restartPauseMs, undefined, { ref: false })
      }
    }
  }
  await Promise.all(Array.from({ length: options.workers }, addWorker))

  const enqueue = async (
    job: PoolJob,
    body?: Readable,
    signal?: AbortSignal,
  ): Promise<PoolAnswer> => {
    if (closing) throw storeError('shutting_down', 'the server is stopping', {})
    signal?.throwIfAborted()
    const { projectId } = job
    const ofProject = countByProject(waiting).get(projectId) ?? 0
    if (waiting.length >= waitingMax || ofProject >= shareOfProject * waitingMax) {
      throw storeError('busy', `${waiting.length} uploads wait already`, { what: 'uploads' })
    }
    return await new Promise<PoolAnswer>((resolve, reject) => {
      // Who has gone needs no thread, and no place among those that wait.
      const leave = (): void => {
        waiting.splice(waiting.indexOf(next), 1)
        next.reject(signal?.reason)
      }
      const next: WaitingJob = {
        projectId,
        start: (worker) => {
          signal?.removeEventListener('abort', leave)
          resolve(runOn(worker, { job, body, signal }).finally(startWaiting))
        },
        reject: (error) => {
          signal?.removeEventListener('abort', leave)
          body?.destroy()
          reject(error)
        },
      }
      signal?.addEventListener('abort', leave, { once: true })
      waiting.push(next)
      startWaiting()
    })
  }

  return {
    run: async (job, body, signal) => (await enqueue(job, body, signal)) as Published,
    negotiate: async <Job extends NegotiationJob>(
      job: Job & { projectId: number },
      body?: Readable,
      signal?: AbortSignal,
    ) => (await enqueue(job, body, signal)) as NegotiationAnswers[Job['step']],
    close: async () => {
      closing = true
      for (const job of waiting.splice(0)) {
        job.reject(storeError('shutting_down', 'the server is stopping', {}))
      }
      const ends = await Promise.allSettled(workers.map(({ thread }) => thread.close()))
      for (const end of ends)
        if (end.status === 'rejected') options.onWorkerFailure(asError(end.reason))
    },
  }
}

function countByProject(jobs: readonly { projectId: number }[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const { projectId } of jobs) counts.set(projectId, (counts.get(projectId) ?? 0) + 1)
  return counts
}

function leastBusy(workers: PoolWorker[]): PoolWorker | undefined {
  return workers.reduce<PoolWorker | undefined>(
    (best, worker) => (best === undefined || worker.jobs.size < best.jobs.size ? worker : best),
    undefined,
  )
}
