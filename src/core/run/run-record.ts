/** What a runner reports about a run in progress: its jobs, their steps, how they ended, every line
 *  of their logs, their annotations and summaries. */

/** GitHub's names. `skipped` jobs and steps never started. */
export const conclusions = ['success', 'failure', 'cancelled', 'skipped'] as const
export type Conclusion = (typeof conclusions)[number]

/** `command`: what a step is about to run. `group` opens a titled group, `endgroup` closes it;
 *  groups do not nest. `cut`: later lines were dropped. */
export const logKinds = [
  'output',
  'command',
  'debug',
  'error',
  'warning',
  'notice',
  'group',
  'endgroup',
  'cut',
] as const
export type LogKind = (typeof logKinds)[number]

/** Prefixes shown before such lines, as on GitHub: colour alone is not accessible to everyone. */
export const linePrefixes: Readonly<Partial<Record<LogKind, string>>> = {
  error: 'Error: ',
  warning: 'Warning: ',
  notice: 'Notice: ',
}

export interface LogLine {
  /** Step number; 0 for the job itself. */
  step: number
  /** Epoch ms. */
  at: number
  kind: LogKind
  text: string
}

/** The most severe first. */
export const annotationLevels = ['error', 'warning', 'notice'] as const
export type AnnotationLevel = (typeof annotationLevels)[number]

/** A message that is kept beside the log, with its place in a file if given. */
export interface Annotation {
  level: AnnotationLevel
  message: string
  title?: string | undefined
  file?: string | undefined
  line?: number | undefined
  endLine?: number | undefined
  column?: number | undefined
  endColumn?: number | undefined
}

interface At {
  at: number
}
interface Ended extends At {
  conclusion: Conclusion
  durationMs: number
}
interface InJob {
  /** Key of a job from an earlier `job-named` event. */
  job: string
}
interface OfStep extends InJob {
  step: { number: number; name: string }
}

export type RecordedEvent =
  | (At & { type: 'run-started' })
  | (At & { type: 'job-named'; job: { key: string; id: string; name: string } })
  | (At & InJob & { type: 'job-started' })
  | (At & OfStep & { type: 'step-started' })
  | (InJob & LogLine & { type: 'line' })
  /** `step` is 0 for the job itself. */
  | (At & InJob & Annotation & { type: 'annotation'; step: number })
  /** Adds Markdown to the summary of a step. */
  | (At & InJob & { type: 'summary'; step: number; text: string })
  | (Ended & OfStep & { type: 'step-finished' })
  | (Ended & InJob & { type: 'job-finished' })
  | (Ended & { type: 'run-finished' })
