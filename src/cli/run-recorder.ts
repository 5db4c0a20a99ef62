/** Tells the server of a run as it goes on, so that its page shows jobs, steps and logs beside the artifacts. Events wait
 *  in a bounded queue while one request is under way; whatever fails here never fails the run. */
import { randomBytes } from 'node:crypto'
import { runRecordPath } from '../api/paths.ts'
import type { WireRunEventsAnswer } from '../api/run-record.ts'
import { requestJson } from '../client/transport/http.ts'
import { limits } from '../core/limits.ts'
import type { LogKind, RecordedEvent } from '../core/run-record.ts'
import type { JobReference, RunEvent, RunSink, StepReference } from '../workflow/events.ts'

export interface RunRecorder {
  sink: RunSink
  /** Sends what is left; resolves when nothing is, or when recording has failed. Never rejects. */
  finish(): Promise<void>
}

export interface RecorderOptions {
  url: string
  project: string
  run: number
  attempt: number
  /** Of the run, to write. */
  token(): Promise<string>
  /** Called at most once, with why the run is not recorded from there on. */
  onFailure(error: unknown): void
}

/** A request carries at most this much, unless one event alone is longer: it is deflated in one go. */
const batchBytesMax = 128 * 1024
/** Lines that come while the queue is fuller than this are left out, and counted: twice what is kept of one job. */
const queueBytesMax = 32 * 1024 * 1024
/** How long events are gathered before they are sent: what a page is behind. */
const gatherMs = 300
/** A server that is silent for this long has failed. */
const requestMs = 30_000

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
  let sending: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let isFinishing = false
  let hasFailed = false

  const send = async (): Promise<void> => {
    try {
      while (queue.items.length > 0) {
        await sendBatch(options, recording, queue)
        // Short of a whole batch it is better to gather again than to send every line on its own.
        if (queue.bytes < batchBytesMax && !isFinishing) break
      }
    } catch (error) {
      hasFailed = true
      queue.items = []
      options.onFailure(error)
    }
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
  return {
    sink: (event) => {
      if (hasFailed) return
      record(event)
      sendSoon()
    },
    finish: async () => {
      isFinishing = true
      await sending
      if (!hasFailed) await send()
      clearTimeout(timer)
    },
  }
}

/** Sends the first events of the queue and, once they are kept, takes them out of it. */
async function sendBatch(options: RecorderOptions, recording: string, queue: Queue): Promise<void> {
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
    signal: AbortSignal.timeout(requestMs),
  }
  await requestJson<WireRunEventsAnswer>(
    { url: options.url, token: await options.token() },
    request,
    ['nextSequence'],
  )
  queue.items.splice(0, count)
  queue.bytes -= bytes
  queue.sequence += count
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
  const line = (
    { job, step, at }: { job: JobReference; step: StepReference | null; at: number },
    kind: LogKind,
    text: string,
  ): void => {
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
