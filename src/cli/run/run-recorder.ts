/** Reports a run to the server as it goes on, so that its page shows jobs, steps, logs, annotations
 *  and summaries. Events wait in a bounded queue while one request is in flight. A failure never
 *  fails the run. */
import { randomBytes } from 'node:crypto'
import { runRecordPath } from '../../api/paths.ts'
import type { WireRunEventsAnswer } from '../../api/run-record.ts'
import { requestJson, type ServerAccess } from '../../client/transport/http.ts'
import { NetworkError } from '../../client/transport/network-error.ts'
import { untilThrough } from '../../client/transport/retry.ts'
import { retryableCodes, StoreError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { RecordedEvent } from '../../core/run/run-record.ts'
import type { RunSink } from '../../workflow/events.ts'
import { createTranslator } from './record-translation.ts'

export interface RunRecorder {
  sink: RunSink
  /** Sends the remaining events. Resolves when all are sent or recording has failed: nothing was
   *  accepted for `patienceMs`, or `signal` is aborted. Never rejects. */
  finish(signal: AbortSignal): Promise<void>
}

export interface RecorderOptions {
  /** The server, with a token that may write to the run. */
  access: ServerAccess
  project: string
  run: number
  attempt: number
  /** Called at most once, when nothing can be sent for now; sending is retried. */
  onTrouble(error: unknown): void
  /** Called at most once, when the rest of the run will not be recorded. */
  onFailure(error: unknown): void
  /** How long the server may be away after the run's end. Default: longer than a restart takes. */
  patienceMs?: number
}

/** Upper bound on a request, unless one event is longer. */
const batchBytesMax = 128 * 1024
/** Lines beyond this are dropped and counted: twice what is kept of one job. */
const queueBytesMax = 32 * 1024 * 1024
/** How long events are collected before they are sent, which is how far a page lags behind. */
const gatherMs = 300
/** Longest silence before a server counts as away. */
const requestMs = 30_000
const patienceMsDefault = 30_000
const interruptedMs = 5_000
/** A step may be quiet for hours, and the server takes silence for the end of the run. */
const lifeSignMs = limits.recordSilenceMs / 6

interface Queue {
  /** Events as JSON, in order. */
  items: string[]
  bytes: number
  /** Sequence number of the first item. */
  sequence: number
}

export function createRunRecorder(options: RecorderOptions): RunRecorder {
  const queue: Queue = { items: [], bytes: 0, sequence: 0 }
  const recording = randomBytes(16).toString('hex')
  const { patienceMs = patienceMsDefault } = options
  const giveUp = new AbortController()
  const leave = (): void => giveUp.abort(new Error(`${options.access.url} does not respond`))
  /** Ends the wait for a server that is away, once the run has ended. */
  let waiting: NodeJS.Timeout | undefined
  let sending: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let isFinishing = false
  let hasFailed = false
  let hasTrouble = false

  /** While the run goes on, its server may be away for any time. */
  const trySend = async (): Promise<void> => {
    const { signal } = giveUp
    let awaySince: number | undefined
    try {
      await untilThrough(async () => await sendBatch(options, { recording, signal }, queue), {
        isPassing: (error) => {
          awaySince ??= Date.now()
          const isLate = isFinishing && Date.now() - awaySince >= patienceMs
          return isPassing(error) && !isLate
        },
        onRetry: (error) => {
          if (!hasTrouble) options.onTrouble(error)
          hasTrouble = true
        },
        retryMs: () => Infinity,
        signal,
      })
      waiting?.refresh()
    } catch (error) {
      hasFailed = true
      queue.items = []
      // Set by what came while the request was in flight.
      clearTimeout(timer)
      options.onFailure(signal.aborted ? signal.reason : error)
    }
  }
  const send = async (): Promise<void> => {
    do await trySend()
    // Below a full batch it is better to collect again than to send every line by itself.
    while (queue.items.length > 0 && (queue.bytes >= batchBytesMax || isFinishing))
    sending = undefined
    if (queue.items.length > 0) sendSoon()
  }
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    sending ??= send()
  }
  const sendSoon = (): void => {
    if (queue.bytes >= batchBytesMax) flush()
    else timer ??= setTimeout(flush, gatherMs)
  }
  const push = (event: RecordedEvent): void => {
    const item = JSON.stringify(event)
    queue.items.push(item)
    queue.bytes += Buffer.byteLength(item)
  }
  const record = createTranslator(push, () => queue.bytes > queueBytesMax)
  const enqueue: RunSink = (event) => {
    if (hasFailed) return
    record(event)
    sendSoon()
  }
  let lifeSign: NodeJS.Timeout | undefined
  return {
    sink: (event) => {
      enqueue(event)
      // Repeating this event changes nothing but the time when the run was last heard of.
      if (event.type === 'run-started') lifeSign = setInterval(enqueue, lifeSignMs, event)
    },
    finish: async (signal) => {
      clearInterval(lifeSign)
      isFinishing = true
      // A user who has interrupted the run should not have to wait for an absent server.
      const waitMs = signal.aborted ? Math.min(patienceMs, interruptedMs) : patienceMs
      waiting = setTimeout(leave, waitMs)
      signal.addEventListener('abort', leave, { once: true })
      await sending
      if (queue.items.length > 0) flush()
      await sending
      clearTimeout(waiting)
      signal.removeEventListener('abort', leave)
    },
  }
}

/** Sends the first events of the queue, and removes them once the server has stored them. */
async function sendBatch(
  options: RecorderOptions,
  { recording, signal }: { recording: string; signal: AbortSignal },
  queue: Queue,
): Promise<void> {
  let count = 0
  let bytes = 0
  for (const item of queue.items) {
    const itemBytes = Buffer.byteLength(item)
    if (count > 0 && (bytes + itemBytes > batchBytesMax || count === limits.runEventsMax)) break
    count += 1
    bytes += itemBytes
  }
  const events = queue.items.slice(0, count).join(',')
  const request = {
    method: 'PUT' as const,
    path: runRecordPath(options.project, options.run),
    query: { attempt: options.attempt },
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(
      `{"recording":"${recording}","sequence":${queue.sequence},"events":[${events}]}`,
    ),
    signal: AbortSignal.any([AbortSignal.timeout(requestMs), signal]),
  }
  await requestJson<WireRunEventsAnswer>(options.access, request, ['nextSequence'])
  queue.items.splice(0, count)
  queue.bytes -= bytes
  queue.sequence += count
}

/** Whether a retry can succeed: the server is restarting, or too busy to respond. */
function isPassing(error: unknown): boolean {
  if (error instanceof StoreError) return retryableCodes.has(error.code)
  const isSilent = error instanceof DOMException && error.name === 'TimeoutError'
  return isSilent || error instanceof NetworkError
}
