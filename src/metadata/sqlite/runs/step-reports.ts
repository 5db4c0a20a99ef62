/** Stores what steps report besides their logs: annotations, and summaries in pages like those of
 *  logs. */
import { limits } from '../../../core/limits.ts'
import type { Annotation } from '../../../core/run/run-record.ts'
import { formatSizeBytes } from '../../../core/units.ts'
import type { Connection } from '../connection/connection.ts'
import { fillPages } from './text-pages.ts'

export interface AddedAnnotation {
  jobId: number
  annotation: Annotation & { step: number }
}

/** Its methods take part in the enclosing transaction. */
export interface ReportStore {
  /** Adds annotations to jobs of the run. Ignores what exceeds the numbers in `limits`. */
  annotate(runId: number, added: readonly AddedAnnotation[]): void
  /** Appends to the summary of a step. What exceeds the limits is replaced by a sentence that says
   *  so. Ignores the summaries of further steps once `limits.summariesPerJobMax` have one. */
  summarize(runId: number, jobId: number, summary: { step: number; texts: string[] }): void
}

/** Bytes of a step's summary, and of all logs and summaries of the run. */
interface Size {
  stepBytes: number
  runBytes: number
}

interface LastPage {
  page: number
  textBytes: number
  isCut: 0 | 1
  bytes: Buffer
}

export function createReportStore(connection: Connection): ReportStore {
  return { annotate: createAnnotate(connection), summarize: createSummarize(connection) }
}

/** How many annotations of a job are stored. */
interface Counts {
  ofJob: number
  /** By step and level. */
  ofStep: Map<string, number>
  /** The number of the last one. */
  last: number
}

/** Counts once per call: counting a thousand annotations for each of a thousand events takes tens
 *  of milliseconds. */
function createAnnotate({ prepare }: Connection): ReportStore['annotate'] {
  const count = prepare<[number], { step: number; level: string; count: number; last: number }>(
    `SELECT step, level, count(*) AS count, max(number) AS last
     FROM annotations WHERE job_id = ? GROUP BY step, level`,
  )
  const countRun = prepare<[number], { ofRun: number; characters: number }>(
    `SELECT count(*) AS ofRun, coalesce(sum(length(a.message) + coalesce(length(a.title), 0)
       + coalesce(length(a.file), 0)), 0) AS characters
     FROM run_jobs j JOIN annotations a ON a.job_id = j.id
     WHERE j.run_id = ?`,
  )
  const insert = prepare<(number | string | null)[]>(
    `INSERT INTO annotations
       (job_id, number, step, level, message, title, file, line, end_line, "column", end_column)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const keyOf = ({ step, level }: { step: number; level: string }): string => `${step} ${level}`
  const countJob = (jobId: number): Counts => {
    const rows = count.all(jobId)
    return {
      ofJob: rows.reduce((sum, row) => sum + row.count, 0),
      ofStep: new Map(rows.map((row) => [keyOf(row), row.count])),
      last: Math.max(0, ...rows.map(({ last }) => last)),
    }
  }
  return (runId, added) => {
    let { ofRun, characters } = countRun.get(runId)!
    const countsOf = new Map<number, Counts>()
    for (const { jobId, annotation } of added) {
      if (ofRun >= limits.annotationsPerRunMax) return
      const counts = countsOf.get(jobId) ?? countJob(jobId)
      countsOf.set(jobId, counts)
      const ofStep = counts.ofStep.get(keyOf(annotation)) ?? 0
      if (ofStep >= limits.annotationsPerStepMax || counts.ofJob >= limits.annotationsPerJobMax)
        continue
      const { step, level, message, title, file, line, endLine, column, endColumn } = annotation
      characters += message.length + (title?.length ?? 0) + (file?.length ?? 0)
      if (characters > limits.annotationsCharactersPerRunMax) return
      const where = [title, file, line, endLine, column, endColumn].map((each) => each ?? null)
      counts.last += 1
      insert.run(jobId, counts.last, step, level, message, ...where)
      counts.ofJob += 1
      counts.ofStep.set(keyOf(annotation), ofStep + 1)
      ofRun += 1
    }
  }
}

function createSummarize({ prepare }: Connection): ReportStore['summarize'] {
  const findLast = prepare<[number, number], LastPage>(
    `SELECT page, text_bytes AS textBytes, is_cut AS isCut, bytes FROM summary_pages
     WHERE job_id = ? AND step = ? ORDER BY page DESC LIMIT 1`,
  )
  const countSteps = prepare<[number], { steps: number }>(
    'SELECT count(DISTINCT step) AS steps FROM summary_pages WHERE job_id = ?',
  )
  const measure = prepare<[number, number, number], Size>(
    `SELECT (SELECT coalesce(sum(text_bytes), 0) FROM summary_pages WHERE job_id = ? AND step = ?)
       AS stepBytes, log_bytes AS runBytes
     FROM run_records WHERE run_id = ?`,
  )
  const put = prepare<[number, number, number, number, number, Buffer]>(
    `INSERT INTO summary_pages (job_id, step, page, text_bytes, is_cut, bytes)
     VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
     SET text_bytes = excluded.text_bytes, is_cut = excluded.is_cut, bytes = excluded.bytes`,
  )
  const countJob = prepare<[number, number]>(
    'UPDATE run_jobs SET summary_bytes = summary_bytes + ? WHERE id = ?',
  )
  const countRun = prepare<[number, number]>(
    'UPDATE run_records SET log_bytes = ? WHERE run_id = ?',
  )
  return (runId, jobId, { step, texts }) => {
    const last = findLast.get(jobId, step)
    if (last?.isCut === 1) return
    if (last === undefined && countSteps.get(jobId)!.steps >= limits.summariesPerJobMax) return
    const { stepBytes, runBytes } = measure.get(jobId, step, runId)!
    const size = { stepBytes, runBytes }
    let reason: string | undefined
    const pages = fillPages(last, (page, textBytes, bytes) =>
      put.run(jobId, step, page, textBytes, reason === undefined ? 0 : 1, bytes),
    )
    for (const text of texts) {
      reason = cutReason(size, Buffer.byteLength(text))
      const addedBytes = pages.add(reason === undefined ? text : `\n\n${reason}\n`)
      size.stepBytes += addedBytes
      size.runBytes += addedBytes
      if (reason !== undefined) break
    }
    pages.close()
    countJob.run(size.stepBytes - stepBytes, jobId)
    countRun.run(size.runBytes, runId)
  }
}

/** Why Markdown of that length is not kept; undefined when it is. */
function cutReason({ stepBytes, runBytes }: Size, addedBytes: number): string | undefined {
  if (stepBytes + addedBytes > limits.stepSummaryBytesMax) {
    return `The summary was cut here: ${formatSizeBytes(limits.stepSummaryBytesMax)} of one step are kept.`
  }
  if (runBytes + addedBytes > limits.runLogBytesMax) {
    return `The summary was cut here: ${formatSizeBytes(limits.runLogBytesMax)} of logs and summaries of one run are kept.`
  }
  return undefined
}
