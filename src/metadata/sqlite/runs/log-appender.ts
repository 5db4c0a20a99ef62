/** Appends lines to the log of a job. */
import { limits } from '../../../core/limits.ts'
import type { LogLine } from '../../../core/run/run-record.ts'
import { formatSizeBytes } from '../../../core/units.ts'
import type { Connection } from '../connection/connection.ts'
import { fillPages, formatStoredLine } from './text-pages.ts'

/** Takes part in the enclosing transaction. */
export type LogAppender = (runId: number, jobId: number, lines: LogLine[]) => void

interface LogState {
  bytes: number
  lines: number
  cut: 0 | 1
  runBytes: number
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

  return (runId, jobId, lines) => {
    const state = find.get(jobId)
    if (state === undefined || state.cut === 1) return
    const pages = fillPages(lastPage.get(jobId), (page, textBytes, bytes) =>
      put.run(jobId, page, textBytes, bytes),
    )
    for (const line of lines) {
      const whole = formatStoredLine(line)
      const reason = cutReason(state, Buffer.byteLength(whole))
      if (reason !== undefined) state.cut = 1
      const bytes = pages.add(
        reason === undefined ? whole : formatStoredLine({ ...line, kind: 'cut', text: reason }),
      )
      state.bytes += bytes
      state.runBytes += bytes
      state.lines += 1
      if (state.cut === 1) break
    }
    pages.close()
    count.run(state.bytes, state.lines, state.cut, jobId)
    countRun.run(state.runBytes, runId)
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
