/** Draws a run on the terminal as it happens: a line for each line of output, behind its job's name where several jobs
 *  run, and at the end what came of each job. */
import type { Annotation, Conclusion, JobReference, LineKind, RunEvent, RunSink } from './events.ts'

export interface TerminalOptions {
  write: (text: string) => void
  color: boolean
}

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue'

const codes: Record<Style, number> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34 }
const marks: Record<Conclusion, string> = { success: '✓', failure: '✗', cancelled: '■', skipped: '–' }
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

export function createTerminalSink({ write, color }: TerminalOptions): RunSink {
  const style = (text: string, name: Style | undefined): string =>
    color && name !== undefined ? `\u001b[${codes[name]}m${text}\u001b[0m` : text
  const mark = (conclusion: Conclusion): string => style(marks[conclusion], conclusionStyles[conclusion])
  const annotations: { job: JobReference; annotation: Annotation }[] = []
  const finished: { job: JobReference; conclusion: Conclusion; durationMs: number }[] = []
  /** Jobs with an open group: their lines are set in. */
  const grouped = new Set<string>()
  let severalJobs = false

  const line = (job: JobReference, text: string): void => {
    write(severalJobs ? `${style(`${job.name} │`, 'dim')} ${text}\n` : `${text}\n`)
  }
  const summarize = (conclusion: Conclusion, durationMs: number): void => {
    write('\n')
    for (const entry of finished) {
      write(`${mark(entry.conclusion)} ${entry.job.name}  ${style(formatDuration(entry.durationMs), 'dim')}\n`)
    }
    for (const { job, annotation } of annotations) {
      const label = style(annotation.level, lineStyles[annotation.level])
      write(`${label} ${job.name}: ${placeOf(annotation)}${annotation.message}\n`)
    }
    write(`${mark(conclusion)} ${style(conclusion, 'bold')} in ${formatDuration(durationMs)}\n`)
  }

  return (event: RunEvent) => {
    switch (event.type) {
      case 'run-started':
        severalJobs = event.jobs.length > 1
        write(`${style(event.workflow, 'bold')} on ${event.event}\n`)
        return
      case 'job-started':
        // A matrix shows itself only now.
        severalJobs ||= event.matrix !== null
        line(event.job, style(`▶ ${event.job.name}`, 'bold'))
        return
      case 'step-started':
        line(event.job, style(`▸ ${event.step.name}`, 'bold'))
        return
      case 'group-started':
        line(event.job, `  ${style(event.title, 'bold')}`)
        grouped.add(event.job.key)
        return
      case 'group-finished':
        grouped.delete(event.job.key)
        return
      case 'line':
        line(event.job, `${grouped.has(event.job.key) ? '    ' : '  '}${style(event.text, lineStyles[event.kind])}`)
        return
      case 'annotation':
        annotations.push(event)
        // A step's log has shown it already.
        if (event.step === null) line(event.job, style(event.annotation.message, lineStyles[event.annotation.level]))
        return
      case 'summary':
        return
      case 'step-finished':
        line(event.job, `${mark(event.conclusion)} ${event.step.name}  ${style(formatDuration(event.durationMs), 'dim')}`)
        return
      case 'job-finished':
        finished.push(event)
        line(event.job, `${mark(event.conclusion)} ${event.job.name}  ${style(formatDuration(event.durationMs), 'dim')}`)
        return
      case 'run-finished':
        summarize(event.conclusion, event.durationMs)
        return
    }
  }
}

function placeOf({ file, line, column }: Annotation): string {
  if (file === undefined) return ''
  return `${[file, line, column].filter((part) => part !== undefined).join(':')}: `
}

/** `0.4s`, `12s`, `3m 05s`, `1h 02m`. */
export function formatDuration(ms: number): string {
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)}s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m ${String(seconds % 60).padStart(2, '0')}s`
  return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, '0')}m`
}
