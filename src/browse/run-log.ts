/** The recorded log of a job as people read it: as text, and by step and group. */
import { stripVTControlCharacters } from 'node:util'
import { limits } from '../core/limits.ts'
import type { LogKind, LogLine } from '../core/run-record.ts'
import type { Metadata, RecordedJob } from '../metadata/metadata.ts'

/** What of a job's log a page shows. */
export interface ShownLog {
  lines: LogLine[]
  /** False when only the end is shown. */
  isWhole: boolean
}

/** One line as text, with its instant and the marks of GitHub's logs. */
export function formatLogLine({ at, kind, text }: LogLine): string {
  return `${new Date(at).toISOString()} ${marks[kind]}${text}\n`
}

const marks: Record<LogKind, string> = {
  output: '',
  command: '##[command]',
  debug: '##[debug]',
  error: '##[error]',
  warning: '##[warning]',
  notice: '##[notice]',
  group: '##[group]',
  endgroup: '##[endgroup]',
  cut: '##[warning]',
}

/** The last one or two pages of each log, as long as `limits.shownLogBytesMax` lasts; jobs that failed come first. By the
 *  job's key; a job that is not in it shows no log. */
export async function readShownLogs(
  metadata: Metadata,
  jobs: RecordedJob[],
): Promise<Map<string, ShownLog>> {
  const shown = new Map<string, ShownLog>()
  let leftBytes: number = limits.shownLogBytesMax
  const failed = jobs.filter((job) => job.conclusion === 'failure')
  for (const job of [...failed, ...jobs.filter((each) => !failed.includes(each))]) {
    if (job.logPages === 0) continue
    const bytes = Math.min(job.logBytes, 2 * limits.logPageBytes)
    if (bytes > leftBytes) break
    leftBytes -= bytes
    const first = Math.max(0, job.logPages - 2)
    const lines: LogLine[] = []
    for (let page = first; page < job.logPages; page++) {
      lines.push(...((await metadata.readLogPage(job.id, page)) ?? []))
    }
    shown.set(job.key, { lines, isWhole: first === 0 })
  }
  return shown
}

/** Lines of a step that belong together; `title` is null outside of groups. */
export interface LogGroup {
  title: string | null
  lines: { kind: LogKind; text: string }[]
}

/** Lines by steps and groups, as plain text: escape sequences and control characters are taken out. */
export function groupLines(lines: LogLine[]): Map<number, LogGroup[]> {
  const bySteps = new Map<number, LogGroup[]>()
  const open = new Map<number, LogGroup>()
  const openGroup = (step: number, title: string | null): LogGroup => {
    const group: LogGroup = { title, lines: [] }
    const known = bySteps.get(step)
    if (known === undefined) bySteps.set(step, [group])
    else known.push(group)
    open.set(step, group)
    return group
  }
  for (const { step, kind, text } of lines) {
    if (kind === 'group') openGroup(step, plainText(text))
    else if (kind === 'endgroup') open.delete(step)
    else (open.get(step) ?? openGroup(step, null)).lines.push({ kind, text: plainText(text) })
  }
  return bySteps
}

function plainText(text: string): string {
  // Tabs stay; what a terminal would obey, or not show, goes.
  return stripVTControlCharacters(text).replaceAll(/(?!\t)\p{Cc}/gu, '')
}
