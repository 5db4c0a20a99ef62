/** Events of a run, emitted as they happen. Sinks receive them in order: one draws them on the
 *  terminal, one records them. All text is masked before a sink sees it. */
import type { Annotation, AnnotationLevel, Conclusion } from '../core/run/run-record.ts'
import type { Combination } from './file/matrix.ts'

/** One job instance; a matrix has several with the same `id`. */
export interface JobReference {
  /** Unique in the run. Contains only letters, digits, `-`, `_` and inner dots, so it is a valid
   *  directory name. */
  key: string
  /** The key under `jobs:`; not unique when workflows call others. */
  id: string
  /** Display name, including matrix values and the names of the jobs that call its workflow. */
  name: string
}

/** One step of a job. Numbers start at 1, in execution order: pre steps, main steps, post steps. */
export interface StepReference {
  number: number
  /** The id in the workflow, or a generated one that starts with `__`. */
  id: string
  name: string
}

/** `command` lines come from the engine and show what the step is about to do. `debug` lines occur
 *  only in debug runs. */
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
      /** Ids in the job's own workflow. */
      needs: string[]
      matrix: Combination | null
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

/** Called for each event, in order, never concurrently. When a sink throws, it is not called again
 *  and the run ends. */
export type RunSink = (event: RunEvent) => void

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
/** An event without its time, which the engine adds. */
type NewRunEvent = DistributiveOmit<RunEvent, 'at'>
/** Adds the time, masks all text, and passes the event to all sinks. */
export type Emit = (event: NewRunEvent) => void

export interface EmitOptions {
  sinks: RunSink[]
  mask: (text: string) => string
  now: () => number
  /** Aborted with the first error of a sink. The error is not thrown where the event was emitted,
   *  which may be in the middle of a process's output. */
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

/** Identifiers that link events are not masked: a secret that happens to equal a job's key would
 *  break the links and reveal nothing. */
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

/** Fields whose keys come from the workflow: a matrix may have an axis called `id`. */
const authored = new Set(['matrix', 'outputs'])
const none: ReadonlySet<string> = new Set()

function maskTexts(
  value: unknown,
  mask: (text: string) => string,
  identifiers: ReadonlySet<string> = kept,
): unknown {
  if (typeof value === 'string') return mask(value)
  if (Array.isArray(value)) return value.map((item) => maskTexts(item, mask, identifiers))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      identifiers.has(key) ? item : maskTexts(item, mask, authored.has(key) ? none : identifiers),
    ]),
  )
}
