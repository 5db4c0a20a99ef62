/** Draws a run on the terminal as it happens: one line per line of output, prefixed with the job's
 *  name if there are several jobs, and at the end the conclusion of each job. */
import { type Annotation, type Conclusion, linePrefixes } from '../core/run/run-record.ts'
import { formatDuration } from '../core/units.ts'
import type { JobReference, LineKind, RunEvent, RunSink } from './events.ts'

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

/** State so far, and how to write. */
interface Drawing {
  options: TerminalOptions
  severalJobs: boolean
  /** Jobs with an open group: their lines are indented. */
  grouped: Set<string>
  annotations: { job: JobReference; annotation: Annotation }[]
  finished: { job: JobReference; conclusion: Conclusion; durationMs: number }[]
}

export function createTerminalSink(options: TerminalOptions): RunSink {
  const drawing: Drawing = {
    options,
    severalJobs: false,
    grouped: new Set(),
    annotations: [],
    finished: [],
  }
  return (event) => draw(drawing, event)
}

function draw(drawing: Drawing, event: RunEvent): void {
  const style = (text: string, name: Style | undefined): string => paint(drawing, text, name)
  switch (event.type) {
    case 'run-started':
      drawing.severalJobs = event.jobs.length > 1
      drawing.options.write(`${style(event.workflow, 'bold')} on ${event.event}\n`)
      return
    case 'job-started':
      // Instances of a matrix and jobs of called workflows are known only once they start.
      drawing.severalJobs ||= event.job.key !== event.job.id
      line(drawing, event.job, style(`▶ ${event.job.name}`, 'bold'))
      return
    case 'step-started':
      line(drawing, event.job, style(`▸ ${event.step.name}`, 'bold'))
      return
    case 'group-started':
      // The group of a script has the name of its step, which has just been shown.
      if (event.title !== event.step?.name)
        line(drawing, event.job, `  ${style(event.title, 'bold')}`)
      drawing.grouped.add(event.job.key)
      return
    case 'group-finished':
      drawing.grouped.delete(event.job.key)
      return
    case 'line': {
      const indent = drawing.grouped.has(event.job.key) ? '    ' : '  '
      line(drawing, event.job, indent + lineOf(drawing, event.kind, event.text))
      return
    }
    case 'annotation':
      drawing.annotations.push(event)
      // The step's log has already shown it.
      if (event.step === null) {
        const { level, message } = event.annotation
        line(drawing, event.job, lineOf(drawing, level, message))
      }
      return
    case 'summary':
      return
    case 'step-finished':
      line(drawing, event.job, outcome(drawing, event.step.name, event))
      return
    case 'job-finished':
      drawing.finished.push(event)
      line(drawing, event.job, outcome(drawing, event.job.name, event))
      return
    case 'run-finished':
      summarize(drawing, event)
      return
  }
}

function paint({ options }: Drawing, text: string, style: Style | undefined): string {
  return options.color && style !== undefined ? `\u001b[${codes[style]}m${text}\u001b[0m` : text
}

function lineOf(drawing: Drawing, kind: LineKind, text: string): string {
  return paint(drawing, `${linePrefixes[kind] ?? ''}${text}`, lineStyles[kind])
}

function line(drawing: Drawing, job: JobReference, text: string): void {
  const prefix = drawing.severalJobs ? `${paint(drawing, `${job.name} │`, 'dim')} ` : ''
  drawing.options.write(`${prefix}${text}\n`)
}

interface Ended {
  conclusion: Conclusion
  durationMs: number
}

function outcome(drawing: Drawing, name: string, { conclusion, durationMs }: Ended): string {
  const mark = paint(drawing, marks[conclusion], conclusionStyles[conclusion])
  return `${mark} ${name}  ${paint(drawing, formatDuration(durationMs), 'dim')}`
}

function summarize(drawing: Drawing, { conclusion, durationMs }: Ended): void {
  const { write } = drawing.options
  write('\n')
  for (const ended of drawing.finished) write(`${outcome(drawing, ended.job.name, ended)}\n`)
  for (const { job, annotation } of drawing.annotations) {
    const label = paint(drawing, annotation.level, lineStyles[annotation.level])
    const { title, message } = annotation
    const heading = title === undefined ? '' : `${title}: `
    write(`${label} ${job.name}: ${placeOf(annotation)}${heading}${message}\n`)
  }
  const mark = paint(drawing, marks[conclusion], conclusionStyles[conclusion])
  write(`${mark} ${paint(drawing, conclusion, 'bold')} in ${formatDuration(durationMs)}\n`)
}

function placeOf({ file, line: lineNumber, column }: Annotation): string {
  if (file === undefined) return ''
  return `${[file, lineNumber, column].filter((part) => part !== undefined).join(':')}: `
}
