/** Runs ingest jobs in worker threads, so that hashing, inflating and deflating never block the
 *  event loop that serves requests.
 *
 *  A job whose body is still arriving waits for its sender. Such jobs get only some of the places
 *  (`places.ts`). Without one of those, a body is first kept in a file, and its job waits for a
 *  place when it is complete. So nobody waits for the sender of another. */
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { asError, storeError } from '../../core/errors.ts'
import type { Published } from '../../metadata/metadata.ts'
import type { IngestJob } from '../job.ts'
import type { KeptBody } from '../staging/kept-body.ts'
import type { NegotiationAnswers, NegotiationJob } from '../negotiated/job.ts'
import { createPlaces } from './places.ts'
import type { IngestWorkerData, PoolAnswer, PoolJob } from './pool-job.ts'
import {
  type Place,
  type PoolWorker,
  runOn,
  type StartIngestThread,
  startWorker,
} from './pool-worker.ts'
import type { Staging } from '../staging/staging.ts'

export interface IngestPool {
  /** Runs a job to its end; `body` is read only as fast as the job, or the disk, takes it, and
   *  destroyed when the job ends.
   *  Errors: those of `ingest`, those of `body`, busy (too many waiting jobs), shutting_down. */
  run(job: IngestJob, body?: Readable, signal?: AbortSignal): Promise<Published>
  /** Runs one step of a negotiated upload in the same way. */
  negotiate<Job extends NegotiationJob>(
    job: Job & { projectId: number },
    body?: Readable,
    signal?: AbortSignal,
  ): Promise<NegotiationAnswers[Job['step']]>
  /** Waits for running jobs, then ends the threads. Waiting jobs fail with shutting_down. */
  close(): Promise<void>
}

export interface IngestPoolOptions extends IngestWorkerData {
  workers: number
  /** Keeps the bodies of waiting jobs. */
  staging: Pick<Staging, 'keepBody'>
  /** Called when a thread dies, which fails its jobs, and each time its replacement fails to
   *  start. */
  onWorkerFailure(error: Error): void
  /** Tests run the jobs on their own thread. */
  startThread?: StartIngestThread | undefined
}

/** Pause between two attempts to replace a thread that ended. */
const restartPauseMs = 1000

interface Work<Body> {
  job: PoolJob
  body: Body | undefined
  signal: AbortSignal | undefined
}

export async function openIngestPool(options: IngestPoolOptions): Promise<IngestPool> {
  const workers: PoolWorker[] = []
  const places = createPlaces(workers, options.workers)
  const stop = new AbortController()
  const replacing = new Set<Promise<void>>()

  const addWorker = async (): Promise<void> => {
    const worker = await startWorker(options, options.startThread)
    void worker.thread.died.then((error) => {
      workers.splice(workers.indexOf(worker), 1)
      options.onWorkerFailure(error)
      const replaced = replaceWorker().finally(() => replacing.delete(replaced))
      replacing.add(replaced)
    })
    workers.push(worker)
    if (stop.signal.aborted) await worker.thread.close()
  }
  /** Retries until a thread starts: the cause may be temporary, and uploads wait meanwhile. */
  const replaceWorker = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        await addWorker()
        places.serve()
        return
      } catch (failure) {
        options.onWorkerFailure(asError(failure))
        await sleep(restartPauseMs, undefined, { ref: false, signal: stop.signal }).catch(() => {})
      }
    }
  }
  const close = async (): Promise<void> => {
    stop.abort()
    places.end(storeError('shutting_down', 'the server is stopping', {}))
    const closing = workers.map(async ({ thread }) => await thread.close())
    const ends = await Promise.allSettled([...closing, ...replacing])
    for (const end of ends)
      if (end.status === 'rejected') options.onWorkerFailure(asError(end.reason))
  }
  const starts = await Promise.allSettled(Array.from({ length: options.workers }, addWorker))
  const failed = starts.find((start) => start.status === 'rejected')
  if (failed !== undefined) {
    await close()
    throw failed.reason
  }

  const requireOpen = (): void => {
    if (stop.signal.aborted) throw storeError('shutting_down', 'the server is stopping', {})
  }
  const runIn = async (
    place: Place,
    work: Work<Readable | { path: string }>,
  ): Promise<PoolAnswer> => {
    try {
      return await runOn(place, work)
    } finally {
      places.free(place)
    }
  }
  /** Waits for the whole body, if there is one, and then for a place. */
  const runLater = async ({ job, body, signal }: Work<Readable>): Promise<PoolAnswer> => {
    const leaveLine = places.enterLine(job.projectId)
    let kept: KeptBody | undefined
    try {
      kept = body && (await options.staging.keepBody(body, signal))
      const failure = kept?.failure
      // Blobs that arrived completely need not be sent again, even if their sender is gone.
      const takesPart = 'step' in job && job.step === 'blobs'
      if (failure !== undefined && !takesPart) {
        signal?.throwIfAborted()
        throw failure
      }
      requireOpen()
      const hangUp = takesPart ? undefined : signal
      const place = await places.take(job.projectId, hangUp)
      leaveLine()
      const running = runIn(place, { job, body: kept && { path: kept.path }, signal: hangUp })
      if (failure === undefined) return await running
      // It ends within a blob.
      await running.catch(() => undefined)
      throw failure
    } finally {
      leaveLine()
      await kept?.remove()
    }
  }
  const run = async (work: Work<Readable>): Promise<PoolAnswer> => {
    requireOpen()
    work.signal?.throwIfAborted()
    const place = work.body && places.takeArriving(work.job.projectId)
    return place === undefined ? await runLater(work) : await runIn(place, work)
  }

  return {
    run: async (job, body, signal) => (await run({ job, body, signal })) as Published,
    negotiate: async <Job extends NegotiationJob>(
      job: Job & { projectId: number },
      body?: Readable,
      signal?: AbortSignal,
    ) => (await run({ job, body, signal })) as NegotiationAnswers[Job['step']],
    close,
  }
}
