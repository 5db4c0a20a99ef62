/** A thread of the ingest pool: how it begins and ends, and how a job and the body that it reads get there and its answer back. */
import type { Readable } from 'node:stream'
import type { Worker } from 'node:worker_threads'
import { decodeError } from '../core/errors.ts'
import { startThread } from '../program-files.ts'
import {
  type FromWorker,
  type IngestWorkerData,
  type PoolAnswer,
  type PoolJob,
  type ToWorker,
  bodyCreditBytes,
} from './pool-messages.ts'

/** What the entry tables of a thread may take (`limits.tableMuchBytes`, and what its other jobs have), sorting one of them, and
 *  its code. V8 lets garbage grow in proportion to its bounds, so tight ones keep threads small: at 100,000 new files the
 *  peak of the whole process fell from 249 to 159 MiB. */
const heapMegabytesMax = { old: 384, young: 16 }

/** A job that a thread works on. */
export interface RunningJob {
  projectId: number
  body: Readable | undefined
  resolve(answer: PoolAnswer): void
  reject(error: unknown): void
  credit: number
  onCredit: (() => void) | undefined
}

export interface PoolWorker {
  thread: Worker
  jobs: Map<number, RunningJob>
}

/** Resolves once the thread takes jobs. Errors: what keeps it from that. */
export async function startWorker({
  databasePath,
  packPlace,
  sharedLog,
  settings,
}: IngestWorkerData): Promise<PoolWorker> {
  const thread = startThread('ingest/ingest-worker.ts', {
    workerData: { databasePath, packPlace, sharedLog, settings } satisfies IngestWorkerData,
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

/** Told of what the thread says. */
export function takeMessage(worker: PoolWorker, message: FromWorker): void {
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

/** Gives the thread a job; `work` is settled when the job is over, or by whoever finds the thread gone. */
export function runOn(
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
    projectId: work.job.projectId,
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

/** Sends the body chunk by chunk while there is credit. Stops reading when the job is over. */
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

/** Waits for the jobs under way, then for the end of the thread. */
export async function closeWorker(worker: PoolWorker): Promise<void> {
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
