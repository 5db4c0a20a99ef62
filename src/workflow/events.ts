/** What happens in a run, as it happens. Sinks receive the events in order: one draws them on the terminal, one records
 *  them. All text in them is masked before any sink sees it. */
import type { Combination } from './matrix.ts'

/** As GitHub names them. `skipped` jobs and steps never started. */
export type Conclusion = 'success' | 'failure' | 'cancelled' | 'skipped'

/** One job of the run; a matrix has several of one `id`. */
export interface JobReference {
  /** Unique in the run, made of letters, digits, `-` and `_`: fit for a directory name. */
  key: string
  /** The key under `jobs:`. */
  id: string
  /** As shown, matrix values included. */
  name: string
}

/** One step of a job, numbered from 1 in the order of the job's list: first pre steps, then main ones, then post. */
export interface StepReference {
  number: number
  /** The author's id or one that begins with `__`. */
  id: string
  name: string
}

export type AnnotationLevel = 'error' | 'warning' | 'notice'

/** A remark that outlives the log, with the place in a file when one was given. */
export interface Annotation {
  level: AnnotationLevel
  message: string
  title?: string
  file?: string
  line?: number
  endLine?: number
  column?: number
  endColumn?: number
}

/** `command`: what the step is about to do, told by the engine. `debug` lines occur only in debug runs. */
export type LineKind = 'output' | 'command' | 'debug' | AnnotationLevel

interface At {
  /** Epoch milliseconds. */
  at: number
}
interface InJob extends At {
  job: JobReference
}
interface InStep extends InJob {
  step: StepReference
}

export type RunEvent =
  | (At & {
      type: 'run-started'
      workflow: string
      event: string
      jobs: { id: string; needs: string[] }[]
    })
  | (InJob & {
      type: 'job-started'
      needs: string[]
      matrix: Combination | null
      stepsExpected: number
    })
  | (InStep & { type: 'step-started' })
  | (InStep & { type: 'line'; kind: LineKind; text: string })
  | (InStep & { type: 'group-started'; title: string })
  | (InStep & { type: 'group-finished' })
  | (InJob & { type: 'annotation'; step: StepReference | null; annotation: Annotation })
  | (InStep & { type: 'summary'; markdown: string })
  | (InStep & {
      type: 'step-finished'
      outcome: Conclusion
      conclusion: Conclusion
      durationMs: number
    })
  | (InJob & {
      type: 'job-finished'
      conclusion: Conclusion
      durationMs: number
      outputs: Record<string, string>
    })
  | (At & { type: 'run-finished'; conclusion: Conclusion; durationMs: number })

/** Called for each event, in order, never concurrently. A sink that throws is called no more and ends the run. */
export type RunSink = (event: RunEvent) => void

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
/** An event before the engine has added the time. */
type NewRunEvent = DistributiveOmit<RunEvent, 'at'>
/** Adds the time, masks every text, hands the event to all sinks. */
export type Emit = (event: NewRunEvent) => void

export interface EmitOptions {
  sinks: RunSink[]
  mask: (text: string) => string
  now: () => number
  /** Aborted with the first error of a sink. It is not thrown where the event came up, which may be in the middle of a
   *  process's output. */
  broken: AbortController
}

export function createEmit({ sinks, mask, now, broken }: EmitOptions): Emit {
  return (event) => {
    if (broken.signal.aborted) return
    const complete = maskTexts({ ...event, at: now() }, mask) as RunEvent
    try {
      for (const sink of sinks) sink(complete)
    } catch (error) {
      broken.abort(error)
    }
  }
}

/** The identifiers that tie events together stay as they are: a secret that equals a job's key names nothing secret. */
const kept = new Set([
  'type',
  'key',
  'id',
  'kind',
  'level',
  'outcome',
  'conclusion',
  'needs',
  'event',
])

function maskTexts(value: unknown, mask: (text: string) => string): unknown {
  if (typeof value === 'string') return mask(value)
  if (Array.isArray(value)) return value.map((item) => maskTexts(item, mask))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, kept.has(key) ? item : maskTexts(item, mask)]),
  )
}
