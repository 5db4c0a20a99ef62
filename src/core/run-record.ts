/** What a runner tells of a run as it goes on: its jobs, their steps, how they ended, and every line of their logs. */

/** As GitHub names them. `skipped` jobs and steps never started. */
export type Conclusion = 'success' | 'failure' | 'cancelled' | 'skipped'

/** `command`: what a step is about to do. `group` opens a group with a title, `endgroup` closes it; they do not nest.
 *  `cut`: what came after was not kept. */
export type LogKind =
  | 'output'
  | 'command'
  | 'debug'
  | 'error'
  | 'warning'
  | 'notice'
  | 'group'
  | 'endgroup'
  | 'cut'

/** What stands before such a line where it is shown, as at GitHub: a colour alone says nothing to many. */
export const linePrefixes: Readonly<Partial<Record<LogKind, string>>> = {
  error: 'Error: ',
  warning: 'Warning: ',
  notice: 'Notice: ',
}

export interface LogLine {
  /** Number of the step; 0 for the job itself. */
  step: number
  /** Epoch ms. */
  at: number
  kind: LogKind
  text: string
}

interface At {
  at: number
}
interface Ended extends At {
  conclusion: Conclusion
  durationMs: number
}
interface InJob {
  /** Key of a job named before. */
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
  | (Ended & OfStep & { type: 'step-finished' })
  | (Ended & InJob & { type: 'job-finished' })
  | (Ended & { type: 'run-finished' })
