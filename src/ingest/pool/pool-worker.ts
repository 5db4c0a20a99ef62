/** A thread of the ingest pool: starting it, and sending it jobs and their bodies. */
import { Readable } from 'node:stream'
import type { Worker } from 'node:worker_threads'
import { startThread } from '../../program-files.ts'
import { createThreadClient, type ThreadClient } from '../../worker-thread.ts'
import { type BodyChunk, createBodySender } from './body-channel.ts'
import type { IngestWorkerData, PoolAnswer, PoolJob, PoolRequest } from './pool-job.ts'

/** Heap for the entry tables of a thread (`limits.tableMuchBytes`, and the tables of its other
 *  jobs), for sorting one of them, and for its code. */
const heapMiB = { old: 384, young: 6 }

export interface PoolWorker {
  thread: ThreadClient<PoolRequest, PoolAnswer, number, BodyChunk>
  /** The jobs that it is running. */
  jobs: Set<Place>
}

/** One of the jobs that a thread runs. */
export interface Place {
  readonly worker: PoolWorker
  readonly projectId: number
  /** Whether the job waits for its sender. */
  isArriving: boolean
}

export type StartIngestThread = (workerData: IngestWorkerData) => Worker

const startIngestThread: StartIngestThread = (workerData) =>
  startThread('ingest/pool/ingest-worker.ts', { workerData, heapMiB })

/** Starts a thread; resolves once it accepts jobs. Errors: those of its start. */
export async function startWorker(
  { databasePath, packPlace, dataDir, minFreeBytes, sharedLog, settings }: IngestWorkerData,
  start: StartIngestThread = startIngestThread,
): Promise<PoolWorker> {
  const worker = start({ databasePath, packPlace, dataDir, minFreeBytes, sharedLog, settings })
  const thread: PoolWorker['thread'] = createThreadClient(worker, 'ingest')
  await thread.opened
  return { thread, jobs: new Set() }
}

/** Runs a job to its end. When the body fails, throws the body's error, which is more informative
 *  than the job's. */
export async function runOn(
  place: Place,
  {
    job,
    body,
    signal,
  }: {
    job: PoolJob
    body: Readable | { path: string } | undefined
    signal: AbortSignal | undefined
  },
): Promise<PoolAnswer> {
  const arriving = body instanceof Readable ? body : undefined
  const kept = body instanceof Readable ? undefined : body
  const sender = arriving && createBodySender(arriving)
  const failed = new AbortController()
  try {
    return await place.worker.thread.request(
      { job, body: sender === undefined ? (kept ?? 'none') : 'follows' },
      {
        signal: signal ? AbortSignal.any([signal, failed.signal]) : failed.signal,
        onNotice: (bytes) => sender?.addCredit(bytes),
        onSent: (send) => {
          sender
            ?.send(send)
            .then(() => {
              place.isArriving = false
            })
            .catch((error: unknown) => failed.abort(error))
        },
      },
    )
  } finally {
    sender?.close()
    // Releases the request, the rest of which would otherwise wait for a reader that is gone. A job
    // can finish before the body has ended, when bytes follow the end of an archive.
    arriving?.destroy()
  }
}
