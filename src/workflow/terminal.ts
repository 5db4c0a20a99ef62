/** Draws a run on the terminal as it happens: one line per line of output, prefixed with the job's
 *  name if there are several jobs, and at the end the conclusion of each job. */
import { type Annotation, type Conclusion, linePrefixes } from '../core/run/run-record.ts'
import { formatDuration } from '../core/units.ts'
import type { JobReference, LineKind, RunSink } from './events.ts'

export interface TerminalOptions {
  write: (text: string) => void
  color: boolean
}

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue'

const codes: Record<Style, number> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34 }
const marks: Record<Conclusion, string> = {
  success: '✓',
  failure: '✗',
  cancelled: '■',
  skipped: '–',
}
const conclusionStyles: Record<Conclusion, Style> = {
  success: 'green',
  failure: 'red',
  cancelled: 'yellow',
  skipped: 'dim',
}
const lineStyles: Record<LineKind, Style | undefined> = {
  output: undefined,
  command: 'dim',
  debug: 'dim',
  error: 'red',
  warning: 'yellow',
  notice: 'blue',
}

interface Ended {
  conclusion: Conclusion
  durationMs: number
}

export function createTerminalSink({ write, color }: TerminalOptions): RunSink {
  let severalJobs = false
  /** Jobs with an open group: their lines are indented. */
  const grouped = new Set<string>()
  const annotations: { job: JobReference; annotation: Annotation }[] = []
  const finished: (Ended & { job: JobReference })[] = []

  const paint = (text: string, style: Style | undefined): string =>
    color && style !== undefined ? `\u001b[${codes[style]}m${text}\u001b[0m` : text
  const lineOf = (kind: LineKind, text: string): string =>
    paint(`${linePrefixes[kind] ?? ''}${text}`, lineStyles[kind])
  const line = (job: JobReference, text: string): void =>
    write(`${severalJobs ? `${paint(`${job.name} │`, 'dim')} ` : ''}${text}\n`)
  const markOf = (conclusion: Conclusion): string =>
    paint(marks[conclusion], conclusionStyles[conclusion])
  const outcome = (name: string, { conclusion, durationMs }: Ended): string =>
    `${markOf(conclusion)} ${name}  ${paint(formatDuration(durationMs), 'dim')}`
  const summarize = ({ conclusion, durationMs }: Ended): void => {
    write('\n')
    for (const ended of finished) write(`${outcome(ended.job.name, ended)}\n`)
    for (const { job, annotation } of annotations) {
      const label = paint(annotation.level, lineStyles[annotation.level])
      const { title, message } = annotation
      const heading = title === undefined ? '' : `${title}: `
      write(`${label} ${job.name}: ${placeOf(annotation)}${heading}${message}\n`)
    }
    write(`${markOf(conclusion)} ${paint(conclusion, 'bold')} in ${formatDuration(durationMs)}\n`)
  }

  return (event) => {
    switch (event.type) {
      case 'run-started':
        severalJobs = event.jobs.length > 1
        return write(`${paint(event.workflow, 'bold')} on ${event.event}\n`)
      case 'job-started':
        // Instances of a matrix and jobs of called workflows are known only once they start.
        severalJobs ||= event.job.key !== event.job.id
        return line(event.job, paint(`▶ ${event.job.name}`, 'bold'))
      case 'step-started':
        return line(event.job, paint(`▸ ${event.step.name}`, 'bold'))
      case 'group-started':
        // The group of a script has the name of its step, which has just been shown.
        if (event.title !== event.step.name) line(event.job, `  ${paint(event.title, 'bold')}`)
        grouped.add(event.job.key)
        return
      case 'group-finished':
        grouped.delete(event.job.key)
        return
      case 'line':
        return line(
          event.job,
          (grouped.has(event.job.key) ? '    ' : '  ') + lineOf(event.kind, event.text),
        )
      case 'annotation':
        annotations.push(event)
        // The step's log has already shown it.
        if (event.step === null)
          line(event.job, lineOf(event.annotation.level, event.annotation.message))
        return
      case 'summary':
        return
      case 'step-finished':
        return line(event.job, outcome(event.step.name, event))
      case 'job-finished':
        finished.push(event)
        return line(event.job, outcome(event.job.name, event))
      case 'run-finished':
        return summarize(event)
    }
  }
}

function placeOf({ file, line: lineNumber, column }: Annotation): string {
  if (file === undefined) return ''
  return `${[file, lineNumber, column].filter((part) => part !== undefined).join(':')}: `
}
