/** Tells the server of a run as it goes on, so that its page shows jobs, steps and logs beside the artifacts. Events wait
 *  in a bounded queue while one request is under way; whatever fails here never fails the run. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { runRecordPath } from '../api/paths.ts'
import type { WireRunEventsAnswer } from '../api/run-record.ts'
import { requestJson, type ServerAccess } from '../client/transport/http.ts'
import { NetworkError } from '../client/transport/network-error.ts'
import { retryableCodes, StoreError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { LogKind, RecordedEvent } from '../core/run-record.ts'
import type { JobReference, RunEvent, RunSink, StepReference } from '../workflow/events.ts'

export interface RunRecorder {
  sink: RunSink
  /** Sends what is left; resolves when nothing is, or when recording has failed: nothing has been taken for `patienceMs`,
   *  or `signal` is aborted. Never rejects. */
  finish(signal: AbortSignal): Promise<void>
}

export interface RecorderOptions {
  /** With a token of the run, to write. */
  access: ServerAccess
  project: string
  run: number
  attempt: number
  /** Called at most once, with why nothing can be sent for now. It is tried again. */
  onTrouble(error: unknown): void
  /** Called at most once, with why the run is not recorded from there on. */
  onFailure(error: unknown): void
  /** How long a server may be away when the run has ended. Default: longer than one takes to be started again. */
  patienceMs?: number
}

/** A request carries at most this much, unless one event alone is longer: it is deflated in one go. */
const batchBytesMax = 128 * 1024
/** Lines that come while the queue is fuller than this are left out, and counted: twice what is kept of one job. */
const queueBytesMax = 32 * 1024 * 1024
/** How long events are gathered before they are sent: what a page is behind. */
const gatherMs = 300
/** A server that is silent for this long does not answer. */
const requestMs = 30_000
/** Between the tries while a server is away; each of them asks several times within some seconds. */
const pauseMs = 2_000
const patienceMsDefault = 30_000
const interruptedMs = 5_000
/** A step may be quiet for hours, and the server takes silence for the end. */
const lifeSignMs = limits.recordSilenceMs / 6

interface Queue {
  /** Events as JSON, in order. */
  items: string[]
  bytes: number
  /** Number of the first item. */
  sequence: number
}

export function createRunRecorder(options: RecorderOptions): RunRecorder {
  const queue: Queue = { items: [], bytes: 0, sequence: 0 }
  const recording = randomBytes(16).toString('hex')
  const patience = createPatience(options)
  let sending: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let isFinishing = false
  let hasFailed = false

  const trySend = async (): Promise<void> => {
    try {
      await sendBatch(options, { recording, giveUp: patience.giveUp }, queue)
      patience.renew()
    } catch (error) {
      if (await patience.endure(error)) return
      hasFailed = true
      queue.items = []
      options.onFailure(error)
    }
  }
  const send = async (): Promise<void> => {
    do await trySend()
    // Short of a whole batch it is better to gather again than to send every line on its own.
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
  const tell: RunSink = (event) => {
    if (hasFailed) return
    record(event)
    sendSoon()
  }
  let lifeSign: NodeJS.Timeout | undefined
  return {
    sink: (event) => {
      tell(event)
      // Told again it changes nothing, but when the run was heard of last.
      if (event.type === 'run-started') lifeSign = setInterval(tell, lifeSignMs, event)
    },
    finish: async (signal) => {
      clearInterval(lifeSign)
      isFinishing = true
      const stop = patience.limit(signal)
      await sending
      if (queue.items.length > 0) flush()
      await sending
      stop()
    },
  }
}

/** What a recorder has of it with a server that is away. */
interface Patience {
  /** Aborted when nothing is waited for any more. */
  giveUp: AbortSignal
  /** The server has taken something. */
  renew(): void
  /** Waits before the next try; false when there is none. */
  endure(error: unknown): Promise<boolean>
  /** The run has ended: patience has too, some time after the server was last seen, or as soon as `signal` is aborted.
   *  Answers a function that takes timer and listener away. */
  limit(signal: AbortSignal): () => void
}

function createPatience({
  access: { url },
  onTrouble,
  patienceMs = patienceMsDefault,
}: RecorderOptions): Patience {
  const controller = new AbortController()
  const giveUp = controller.signal
  const leave = (): void => controller.abort(new Error(`${url} does not answer`))
  let timer: NodeJS.Timeout | undefined
  let awaySince: number | undefined
  let hasTold = false
  return {
    giveUp,
    renew: () => {
      awaySince = undefined
      timer?.refresh()
    },
    endure: async (error) => {
      awaySince ??= Date.now()
      const isLate = timer !== undefined && Date.now() - awaySince >= patienceMs
      if (!isPassing(error) || isLate || giveUp.aborted) return false
      if (!hasTold) onTrouble(error)
      hasTold = true
      await sleep(pauseMs, undefined, { signal: giveUp }).catch(() => undefined)
      return true
    },
    limit: (signal) => {
      // Whoever has interrupted the run wants to see its end, not that of the server's absence.
      timer = setTimeout(leave, Math.min(patienceMs, signal.aborted ? interruptedMs : patienceMs))
      signal.addEventListener('abort', leave, { once: true })
      return () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', leave)
      }
    },
  }
}

/** Sends the first events of the queue and, once they are kept, takes them out of it. */
async function sendBatch(
  options: RecorderOptions,
  { recording, giveUp }: { recording: string; giveUp: AbortSignal },
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
    signal: AbortSignal.any([AbortSignal.timeout(requestMs), giveUp]),
  }
  await requestJson<WireRunEventsAnswer>(options.access, request, ['nextSequence'])
  queue.items.splice(0, count)
  queue.bytes -= bytes
  queue.sequence += count
}

/** Whether it can be otherwise a moment later: the server is started again, or too busy to answer. */
function isPassing(error: unknown): boolean {
  if (error instanceof StoreError) return retryableCodes.has(error.code)
  const isSilent = error instanceof DOMException && error.name === 'TimeoutError'
  return isSilent || error instanceof NetworkError
}

/** From what the engine tells to what is kept: each job is named once, before anything of it. */
function createTranslator(push: (event: RecordedEvent) => void, isFull: () => boolean): RunSink {
  const named = new Set<string>()
  /** Lines left out, by job. */
  const missing = new Map<string, number>()

  const name = ({ key, id, name: shown }: JobReference, at: number): void => {
    if (named.has(key)) return
    named.add(key)
    push({ type: 'job-named', at, job: { key, id: shorten(id), name: shorten(shown) } })
  }
  const line: PushLine = ({ job, step, at }, kind, text) => {
    const lost = missing.get(job.key) ?? 0
    if (isFull()) {
      missing.set(job.key, lost + 1)
      return
    }
    const place = { type: 'line', at, job: job.key, step: step?.number ?? 0 } as const
    if (lost > 0) {
      missing.delete(job.key)
      push({ ...place, kind: 'cut', text: `${lost} lines came too fast and were not kept.` })
    }
    for (let start = 0; start === 0 || start < text.length; start += limits.logLineCharactersMax) {
      push({ ...place, kind, text: text.slice(start, start + limits.logLineCharactersMax) })
    }
  }
  return (event) => {
    if ('job' in event) name(event.job, event.at)
    translate(event, push, line)
  }
}

type PushLine = (
  place: { job: JobReference; step: StepReference | null; at: number },
  kind: LogKind,
  text: string,
) => void

function translate(event: RunEvent, push: (event: RecordedEvent) => void, line: PushLine): void {
  const { at } = event
  switch (event.type) {
    case 'run-started':
      return push({ type: event.type, at })
    case 'job-started':
      return push({ type: event.type, at, job: event.job.key })
    case 'step-started':
      return push({ type: event.type, at, job: event.job.key, step: stepOf(event.step) })
    case 'line':
      return line(event, event.kind, event.text)
    case 'group-started':
      return line(event, 'group', event.title)
    case 'group-finished':
      return line(event, 'endgroup', '')
    case 'annotation':
      // The log of a step has shown it already.
      return event.step === null
        ? line(event, event.annotation.level, event.annotation.message)
        : undefined
    case 'summary':
      return undefined
    case 'step-finished': {
      const step = stepOf(event.step)
      return push({ type: event.type, at, job: event.job.key, step, ...ended(event) })
    }
    case 'job-finished':
      return push({ type: event.type, at, job: event.job.key, ...ended(event) })
    case 'run-finished':
      return push({ type: event.type, at, ...ended(event) })
  }
}

function ended({
  conclusion,
  durationMs,
}: Extract<RunEvent, { type: 'run-finished' | 'job-finished' | 'step-finished' }>): {
  conclusion: typeof conclusion
  durationMs: number
} {
  return { conclusion, durationMs: Math.max(0, Math.round(durationMs)) }
}

function stepOf({ number, name }: StepReference): { number: number; name: string } {
  return { number, name: shorten(name) }
}

function shorten(name: string): string {
  return name.slice(0, limits.recordedNameCharactersMax)
}
