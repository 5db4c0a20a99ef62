/** Appends lines to the log of a job: they fill the last page before a new one begins. */
import { limits } from '../../../core/limits.ts'
import type { LogLine } from '../../../core/run/run-record.ts'
import { formatSizeBytes } from '../../../core/units.ts'
import { deflateLogPage, formatLogLine, inflateLogPage } from '../../log-page.ts'
import type { Connection } from '../connection/connection.ts'

export interface LogAppender {
  /** Takes part in the enclosing transaction. */
  append(runId: number, jobId: number, lines: LogLine[]): void
}

interface LogState {
  bytes: number
  lines: number
  cut: 0 | 1
  runBytes: number
}

interface OpenPage {
  page: number
  text: string
  bytes: number
}

export function createLogAppender({ prepare }: Connection): LogAppender {
  const find = prepare<[number], LogState>(
    `SELECT j.log_bytes AS bytes, j.log_lines AS lines, j.log_cut AS cut, r.log_bytes AS runBytes
     FROM run_jobs j JOIN run_records r ON r.run_id = j.run_id WHERE j.id = ?`,
  )
  const lastPage = prepare<[number], { page: number; textBytes: number; bytes: Buffer }>(
    `SELECT page, text_bytes AS textBytes, bytes FROM log_pages WHERE job_id = ?
     ORDER BY page DESC LIMIT 1`,
  )
  const put = prepare<[number, number, number, Buffer]>(
    `INSERT INTO log_pages (job_id, page, text_bytes, bytes) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET text_bytes = excluded.text_bytes, bytes = excluded.bytes`,
  )
  const count = prepare<[number, number, number, number]>(
    'UPDATE run_jobs SET log_bytes = ?, log_lines = ?, log_cut = ? WHERE id = ?',
  )
  const countRun = prepare<[number, number]>(
    'UPDATE run_records SET log_bytes = ? WHERE run_id = ?',
  )

  const open = (jobId: number): OpenPage => {
    const last = lastPage.get(jobId)
    if (last === undefined) return { page: 0, text: '', bytes: 0 }
    if (last.textBytes >= limits.logPageBytes) return { page: last.page + 1, text: '', bytes: 0 }
    return { page: last.page, text: inflateLogPage(last.bytes), bytes: last.textBytes }
  }
  const close = (jobId: number, { page, text, bytes }: OpenPage): void => {
    if (bytes > 0) put.run(jobId, page, bytes, deflateLogPage(text))
  }

  return {
    append: (runId, jobId, lines) => {
      const state = find.get(jobId)
      if (state === undefined || state.cut === 1) return
      let page = open(jobId)
      for (const line of lines) {
        let text = formatLogLine(line)
        const reason = cutReason(state, Buffer.byteLength(text))
        if (reason !== undefined) text = formatLogLine({ ...line, kind: 'cut', text: reason })
        const bytes = Buffer.byteLength(text)
        page = { ...page, text: page.text + text, bytes: page.bytes + bytes }
        state.bytes += bytes
        state.runBytes += bytes
        state.lines += 1
        if (page.bytes >= limits.logPageBytes) {
          close(jobId, page)
          page = { page: page.page + 1, text: '', bytes: 0 }
        }
        if (reason !== undefined) {
          state.cut = 1
          break
        }
      }
      close(jobId, page)
      count.run(state.bytes, state.lines, state.cut, jobId)
      countRun.run(state.runBytes, runId)
    },
  }
}

/** Why a line of that length is not kept; undefined when it is. */
function cutReason({ bytes, runBytes }: LogState, lineBytes: number): string | undefined {
  if (bytes + lineBytes > limits.jobLogBytesMax) {
    return `The log was cut here: ${formatSizeBytes(limits.jobLogBytesMax)} of one job are kept.`
  }
  if (runBytes + lineBytes > limits.runLogBytesMax) {
    return `The log was cut here: ${formatSizeBytes(limits.runLogBytesMax)} of one run are kept.`
  }
  return undefined
}
