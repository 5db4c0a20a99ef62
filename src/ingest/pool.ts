/** Runs ingest jobs in worker threads, so that hashing, inflating and deflating never block the
 *  event loop that serves requests. A job goes to the worker with the fewest jobs; jobs beyond
 *  `jobsPerWorker`, or beyond the share of their project, are queued in order. */
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { asError, storeError } from '../core/errors.ts'
import type { Published } from '../metadata/metadata.ts'
import type { IngestJob } from './job.ts'
import type { IngestWorkerData, PoolAnswer, PoolJob } from './pool-job.ts'
import { type PoolWorker, runOn, startWorker } from './pool-worker.ts'
import type { NegotiationAnswers, NegotiationJob } from './negotiated/job.ts'

export interface IngestPool {
  /** Runs a job to its end; `body` is read only as fast as the job consumes it, and destroyed when
   *  the job ends.
   *  Errors: those of `ingest`, those of `body`, busy (too many queued jobs), shutting_down. */
  run(job: IngestJob, body?: Readable, signal?: AbortSignal): Promise<Published>
  /** Runs one step of a negotiated upload in the same way. */
  negotiate<Job extends NegotiationJob>(
    job: Job & { projectId: number },
    body?: Readable,
    signal?: AbortSignal,
  ): Promise<NegotiationAnswers[Job['step']]>
  /** Waits for running jobs, then ends the threads. Queued jobs fail with shutting_down. */
  close(): Promise<void>
}

export interface IngestPoolOptions extends IngestWorkerData {
  workers: number
  /** Called when a thread dies, which fails its jobs, and each time its replacement fails to
   *  start. */
  onWorkerFailure(error: Error): void
}

/** A thread runs several jobs, because streamed bodies wait for their senders; each may hold two
 *  ingest batches. */
const jobsPerWorker = 8
const waitingMax = 1000
/** The share of these places that one project may take: senders that are slow, even on purpose,
 *  hold theirs as long as they like. */
const shareOfProject = 0.75
/** Pause between two attempts to replace a thread that ended. */
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

  /** Dequeues the first job whose project is below its share. */
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
  /** Retries until a thread starts: the cause may be temporary, and uploads wait meanwhile. */
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
      throw storeError('busy', `${waiting.length} uploads are already waiting`, { what: 'uploads' })
    }
    return await new Promise<PoolAnswer>((resolve, reject) => {
      // A client that has gone needs neither a thread nor a place in the queue.
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
