/** Formats the recorded log of a job for people: as text, or by step and group. */
import { addTo } from '../core/groups.ts'
import { stripVTControlCharacters } from 'node:util'
import { limits } from '../core/limits.ts'
import type { LogKind, LogLine } from '../core/run/run-record.ts'
import type { Metadata, RecordedJob } from '../metadata/metadata.ts'

/** The part of a job's log that a page shows. */
export interface ShownLog {
  lines: LogLine[]
  /** False when only the end is shown. */
  isWhole: boolean
}

/** Formats one line as text, with its timestamp and the markers of GitHub's logs. */
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

/** Reads the last one or two pages of each log until `limits.shownLogBytesMax` is used up,
 *  failed jobs first. The result is keyed by the job's key; a job that is missing from it shows
 *  no log. */
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

/** Consecutive lines of a step; `title` is null outside of groups. */
export interface LogGroup {
  title: string | null
  lines: { kind: LogKind; text: string }[]
}

/** Groups lines by step and group, as plain text: without escape sequences and control
 *  characters. */
export function groupLines(lines: LogLine[]): Map<number, LogGroup[]> {
  const bySteps = new Map<number, LogGroup[]>()
  const open = new Map<number, LogGroup>()
  const openGroup = (step: number, title: string | null): LogGroup => {
    const group: LogGroup = { title, lines: [] }
    addTo(bySteps, step, group)
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

/** Keeps tabs; removes whatever a terminal would interpret or not show. */
export function plainText(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/(?!\t)\p{Cc}/gu, '')
}
