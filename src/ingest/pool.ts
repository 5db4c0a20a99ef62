/** Runs ingest jobs in worker threads, so that hashing, inflating and deflating never block the event loop that
 *  answers requests. A job goes to the worker with the fewest; what exceeds `jobsPerWorker` waits in order. */
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { decodeError, storeError } from '../core/errors.ts'
import { startThread } from '../program-files.ts'
import type { IngestJob } from './job.ts'
import {
  type FromWorker,
  type IngestWorkerData,
  type PoolAnswer,
  type PoolJob,
  type ToWorker,
  bodyCreditBytes,
} from './pool-messages.ts'
import type { NegotiationAnswers, NegotiationJob } from './negotiated/job.ts'
import type { Published } from './publish.ts'
import type { IngestSettings } from './session.ts'

export interface IngestPool {
  /** Runs a job to its end; `body` is read only as fast as the job takes it, and destroyed when the job is over.
   *  Errors: those of `ingest`, what `body` fails with, busy (too many jobs wait), shutting_down. */
  run(job: IngestJob, body?: Readable, signal?: AbortSignal): Promise<Published>
  /** Runs one step of a negotiated upload in the same way. */
  negotiate<Job extends NegotiationJob>(
    job: Job,
    body?: Readable,
    signal?: AbortSignal,
  ): Promise<NegotiationAnswers[Job['step']]>
  /** Lets running jobs finish, then ends the threads. Jobs that wait fail with shutting_down. */
  close(): Promise<void>
}

export interface IngestPoolOptions {
  workers: number
  databasePath: string
  packDirectory: string
  /** Of the threads that share the database. */
  sharedLog: SharedArrayBuffer
  settings: IngestSettings
  /** Told when a thread dies; its jobs have failed and a new one takes its place. */
  onWorkerFailure(error: Error): void
}

/** Streamed bodies wait on their senders, so a thread serves several; each may hold two ingest batches. */
const jobsPerWorker = 8
const waitingMax = 1000
/** Between two tries to begin a thread in place of one that ended. */
const restartPauseMs = 1000
/** What the entry tables of a thread may take (`limits.tableMuchBytes`, and what its other jobs have), sorting one of them, and
 *  its code. V8 lets garbage grow in proportion to its bounds, so tight ones keep threads small: at 100,000 new files the
 *  peak of the whole process fell from 249 to 159 MiB. */
const heapMegabytesMax = { old: 384, young: 16 }

interface RunningJob {
  body: Readable | undefined
  resolve(answer: PoolAnswer): void
  reject(error: unknown): void
  credit: number
  onCredit: (() => void) | undefined
}

interface PoolWorker {
  thread: Worker
  jobs: Map<number, RunningJob>
}

interface WaitingJob {
  start(worker: PoolWorker): void
  reject(error: unknown): void
}

export async function openIngestPool(options: IngestPoolOptions): Promise<IngestPool> {
  const workers: PoolWorker[] = []
  const waiting: WaitingJob[] = []
  let closing = false
  let nextId = 1

  const startWaiting = (): void => {
    for (;;) {
      const worker = leastBusy(workers)
      if (worker === undefined || worker.jobs.size >= jobsPerWorker) return
      const next = waiting.shift()
      if (next === undefined) return
      next.start(worker)
    }
  }

  const addWorker = async (): Promise<void> => {
    const worker = await startWorker(options)
    worker.thread.on('message', (message: FromWorker) => {
      takeMessage(worker, message)
      startWaiting()
    })
    worker.thread.once('exit', (code) => {
      workers.splice(workers.indexOf(worker), 1)
      const error = new Error(`an ingest thread ended with code ${code}`)
      for (const job of worker.jobs.values()) job.reject(error)
      worker.jobs.clear()
      if (closing) return
      options.onWorkerFailure(error)
      void replaceWorker()
    })
    worker.thread.on('error', options.onWorkerFailure)
    workers.push(worker)
    if (closing) await closeWorker(worker)
  }
  /** Until it begins: what kept it from that may pass, and uploads wait meanwhile. */
  const replaceWorker = async (): Promise<void> => {
    while (!closing) {
      try {
        await addWorker()
        startWaiting()
        return
      } catch (failure) {
        options.onWorkerFailure(failure instanceof Error ? failure : new Error(String(failure)))
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
    if (waiting.length >= waitingMax) {
      throw storeError('busy', `${waitingMax} uploads wait already`, { what: 'uploads' })
    }
    return await new Promise<PoolAnswer>((resolve, reject) => {
      const start = (worker: PoolWorker): void => {
        runOn(worker, nextId++, { job, body, signal, resolve, reject })
      }
      waiting.push({ start, reject })
      startWaiting()
    })
  }

  return {
    run: async (job, body, signal) => (await enqueue(job, body, signal)) as Published,
    negotiate: async <Job extends NegotiationJob>(
      job: Job,
      body?: Readable,
      signal?: AbortSignal,
    ) => (await enqueue(job, body, signal)) as NegotiationAnswers[Job['step']],
    close: async () => {
      closing = true
      for (const job of waiting.splice(0)) {
        job.reject(storeError('shutting_down', 'the server is stopping', {}))
      }
      await Promise.all(workers.map(closeWorker))
    },
  }
}

function leastBusy(workers: PoolWorker[]): PoolWorker | undefined {
  return workers.reduce<PoolWorker | undefined>(
    (best, worker) => (best === undefined || worker.jobs.size < best.jobs.size ? worker : best),
    undefined,
  )
}

async function startWorker(options: IngestPoolOptions): Promise<PoolWorker> {
  const { databasePath, packDirectory, sharedLog, settings } = options
  const thread = startThread('ingest/ingest-worker.ts', {
    workerData: { databasePath, packDirectory, sharedLog, settings } satisfies IngestWorkerData,
    resourceLimits: {
      maxOldGenerationSizeMb: heapMegabytesMax.old,
      maxYoungGenerationSizeMb: heapMegabytesMax.young,
    },
  })
  await new Promise<void>((resolve, reject) => {
    thread.once('message', () => {
      thread.removeListener('error', reject)
      resolve()
    })
    thread.once('error', reject)
    thread.once('exit', (code) => reject(new Error(`an ingest thread ended with code ${code}`)))
  })
  return { thread, jobs: new Map() }
}

function tell(worker: PoolWorker, message: ToWorker): void {
  worker.thread.postMessage(message)
}

function takeMessage(worker: PoolWorker, message: FromWorker): void {
  if (message.type === 'ready') return
  const job = worker.jobs.get(message.id)
  if (job === undefined) return
  if (message.type === 'credit') {
    job.credit += message.bytes
    job.onCredit?.()
    return
  }
  worker.jobs.delete(message.id)
  if (message.type === 'done') {
    job.resolve(message.answer)
    return
  }
  const { error } = message
  if ('code' in error) {
    job.reject(decodeError(error))
  } else {
    const failure = new Error(error.message)
    if (error.stack !== undefined) failure.stack = error.stack
    job.reject(failure)
  }
}

function runOn(
  worker: PoolWorker,
  id: number,
  work: {
    job: PoolJob
    body: Readable | undefined
    signal: AbortSignal | undefined
    resolve(answer: PoolAnswer): void
    reject(error: unknown): void
  },
): void {
  const { body, signal } = work
  let bodyError: unknown
  const cancel = (reason: unknown): void => {
    bodyError ??= reason
    tell(worker, { type: 'cancel', id, reason: String(reason) })
  }
  const onAbort = (): void => {
    cancel(signal?.reason)
  }
  const letGo = (): void => {
    signal?.removeEventListener('abort', onAbort)
    running.onCredit?.()
    // Lets go of the request, whose rest would otherwise wait for a reader that is gone. A job can be done before the
    // body has ended, when bytes follow the end of what is packed.
    body?.destroy()
  }
  const running: RunningJob = {
    body,
    credit: bodyCreditBytes,
    onCredit: undefined,
    resolve: (answer) => {
      letGo()
      work.resolve(answer)
    },
    reject: (error) => {
      letGo()
      // What made the sender's body fail says more than what the job made of it.
      work.reject(bodyError ?? error)
    },
  }
  worker.jobs.set(id, running)
  tell(worker, { type: 'run', id, job: work.job, hasBody: body !== undefined })
  signal?.addEventListener('abort', onAbort, { once: true })
  if (body !== undefined) feed(worker, id, running, body).catch(cancel)
}

/** Sends the body chunk by chunk while there is credit. Stops reading when the job is over; the rest of the body is
 *  its owner's to drain. */
async function feed(
  worker: PoolWorker,
  id: number,
  job: RunningJob,
  body: Readable,
): Promise<void> {
  const iterator = body.iterator({ destroyOnReturn: false })
  for await (const piece of iterator) {
    const bytes = piece as Buffer
    for (let at = 0; at < bytes.length;) {
      if (!worker.jobs.has(id)) return
      if (job.credit <= 0) {
        await new Promise<void>((resolve) => {
          job.onCredit = resolve
        })
        job.onCredit = undefined
        continue
      }
      // A copy of its own: sending a view would send the whole buffer behind it.
      const own = new Uint8Array(bytes.subarray(at, at + Math.min(job.credit, bytes.length - at)))
      job.credit -= own.length
      at += own.length
      worker.thread.postMessage({ type: 'chunk', id, bytes: own } satisfies ToWorker, [own.buffer])
    }
  }
  tell(worker, { type: 'end', id })
}

async function closeWorker(worker: PoolWorker): Promise<void> {
  if (worker.jobs.size > 0) {
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (worker.jobs.size === 0) resolve()
      }
      worker.thread.on('message', check)
      worker.thread.once('exit', () => {
        resolve()
      })
      check()
    })
  }
  const ended = new Promise<void>((resolve) => {
    worker.thread.once('exit', () => {
      resolve()
    })
  })
  tell(worker, { type: 'close' })
  await ended
}
