/** What runners reported about their runs. A batch is one transaction; log-appender.ts stores
 *  the logs, step-reports.ts annotations and summaries. */
import { addTo } from '../../../core/groups.ts'
import { forbidden, invalidRequest, storeError, tooLarge } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import type { Conclusion, LogLine, RecordedEvent } from '../../../core/run/run-record.ts'
import type { Metadata } from '../../metadata.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Connection } from '../connection/connection.ts'
import { createLogAppender, type LogAppender } from './log-appender.ts'
import {
  createJobRemoval,
  createRecordRemoval,
  createRemovalRecording,
  rowsOf,
} from './run-record-removal.ts'
import { type AddedAnnotation, createReportStore, type ReportStore } from './step-reports.ts'

type RunRecordMethods = Pick<
  Metadata,
  'appendRunEvents' | 'removeRunRecords' | 'removeRunJob' | 'purgeRunRecords'
>

interface RecordRow {
  recording: string
  nextSequence: number
  rowCount: number
  job: string | null
}

/** The record to which a batch is added. */
interface Target {
  runId: number
  /** Jobs and steps so far; those with long names count as several. */
  rowCount: number
  /** Ids of the jobs that the batch has announced or found, by key. */
  jobs: Map<string, number>
}

type StoredEvent = Exclude<RecordedEvent, { type: 'line' | 'annotation' | 'summary' }>
type Store = (target: Target, event: StoredEvent) => void

export function createRunRecordMethods(connection: Connection, audit: AuditLog): RunRecordMethods {
  const { prepare, write } = connection
  const find = prepare<[number], RecordRow>(
    `SELECT recording, next_sequence AS nextSequence, row_count AS rowCount, job
     FROM run_records WHERE run_id = ?`,
  )
  const create = prepare<[number, string, number, string | null]>(
    `INSERT INTO run_records (run_id, recording, next_sequence, updated_at, row_count, log_bytes, job)
     VALUES (?, ?, 0, ?, 0, 0, ?) ON CONFLICT DO NOTHING`,
  )
  const advance = prepare<[number, number, number, number]>(
    'UPDATE run_records SET next_sequence = ?, row_count = ?, updated_at = ? WHERE run_id = ?',
  )
  const old = prepare<[number, number], { runId: number }>(
    'SELECT run_id AS runId FROM run_records WHERE updated_at <= ? ORDER BY updated_at LIMIT ?',
  )
  const ofRun = prepare<[number, number], { runId: number }>(
    `SELECT a.run_id AS runId FROM runs r JOIN run_records a ON a.run_id = r.id
     WHERE r.number = ? AND r.project_id = ?`,
  )
  const removal = createRecordRemoval(connection)
  const removeJob = createJobRemoval(connection)
  const noting = createRemovalRecording(connection, audit)
  const store = createEventStore(connection)
  const appendLog = createLogAppender(connection)
  const reports = createReportStore(connection)
  return {
    appendRunEvents: async (runId, batch, now, author) => {
      const { recording, sequence, events, isStrict } = batch
      const job = author?.by?.job ?? null
      const known = find.get(runId)
      if (isStrict) refuseForeign(known, job)
      if (known && known.recording !== recording && sequence === 0)
        await removal(runId, noting(runId, author))
      return write(() => {
        if (sequence === 0) create.run(runId, recording, now, job)
        const record = find.get(runId)
        if (isStrict) refuseForeign(record, job)
        const next = nextOf(record, recording, sequence)
        const fresh = events.slice(next - sequence)
        if (fresh.length === 0) return next
        const target = { runId, rowCount: record?.rowCount ?? 0, jobs: new Map<string, number>() }
        storeAll(target, fresh, store, { appendLog, reports })
        advance.run(next + fresh.length, target.rowCount, now, runId)
        return next + fresh.length
      })
    },
    removeRunJob: async (runId, key, author) =>
      await removeJob(runId, key, noting(runId, author, key)),
    removeRunRecords: async (projectId, number, author) => {
      const attempts = ofRun.all(number, projectId)
      const onStep = attempts[0] && noting(attempts[0].runId, author)
      for (const { runId } of attempts) await removal(runId, onStep)
    },
    purgeRunRecords: async (updatedBy, limit) => {
      const rows = old.all(updatedBy, limit)
      for (const { runId } of rows) await removal(runId)
      return rows.length
    },
  }
}

/** Errors: forbidden. */
function refuseForeign(record: RecordRow | undefined, job: string | null): void {
  if (record === undefined || record.job === job) return
  const recorder = record.job === null ? 'a token without a job' : `job ${record.job}`
  const reason = `this run is recorded by ${recorder}, and this project is strict: only the recorder or a person may add to the record`
  throw forbidden(reason)
}

/** The number of the next event that the record lacks. */
function nextOf(record: RecordRow | undefined, recording: string, sequence: number): number {
  if (record?.recording === recording && record.nextSequence >= sequence) return record.nextSequence
  const reason =
    record?.recording === recording
      ? `events ${record.nextSequence} to ${sequence - 1} are missing`
      : 'another recording of the run has replaced it'
  throw storeError('session_ended', reason, { sessionId: recording })
}

/** Groups lines by job and Markdown by step, so that each log and summary is opened once. */
function storeAll(
  target: Target,
  events: RecordedEvent[],
  store: EventStore,
  { appendLog, reports }: { appendLog: LogAppender; reports: ReportStore },
): void {
  const lines = new Map<string, LogLine[]>()
  const annotations: AddedAnnotation[] = []
  const summaries = new Map<string, Map<number, string[]>>()
  for (const event of events) {
    if (event.type === 'line') addTo(lines, event.job, event)
    else if (event.type === 'annotation')
      annotations.push({ jobId: store.jobId(target, event.job), annotation: event })
    else if (event.type === 'summary') {
      const ofJob = summaries.get(event.job) ?? new Map<number, string[]>()
      addTo(ofJob, event.step, event.text)
      summaries.set(event.job, ofJob)
    } else store.event(target, event)
  }
  if (annotations.length > 0) reports.annotate(target.runId, annotations)
  for (const [key, ofJob] of lines) appendLog(target.runId, store.jobId(target, key), ofJob)
  for (const [key, ofJob] of summaries) {
    for (const [step, texts] of ofJob)
      reports.summarize(target.runId, store.jobId(target, key), { step, texts })
  }
}

interface EventStore {
  event: Store
  /** Errors: invalid_request. */
  jobId(target: Target, key: string): number
}

function createEventStore({ prepare }: Connection): EventStore {
  const startRun = prepare<[number, number]>(
    'UPDATE run_records SET started_at = ? WHERE run_id = ?',
  )
  const endRun = prepare<[Conclusion, number, number]>(
    'UPDATE run_records SET conclusion = ?, duration_ms = ? WHERE run_id = ?',
  )
  const nameJob = prepare<[number, string, string, string]>(
    `INSERT INTO run_jobs (run_id, key, job, name, log_bytes, log_lines, log_cut)
     VALUES (?, ?, ?, ?, 0, 0, 0) ON CONFLICT DO NOTHING`,
  )
  const findJob = prepare<[number, string], { id: number }>(
    'SELECT id FROM run_jobs WHERE run_id = ? AND key = ?',
  )
  const startJob = prepare<[number, number]>('UPDATE run_jobs SET started_at = ? WHERE id = ?')
  const endJob = prepare<[Conclusion, number, number]>(
    'UPDATE run_jobs SET conclusion = ?, duration_ms = ? WHERE id = ?',
  )
  const nameStep = prepare<[number, number, string]>(
    'INSERT INTO run_steps (job_id, number, name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  )
  const startStep = prepare<[number, number, number]>(
    'UPDATE run_steps SET started_at = ? WHERE job_id = ? AND number = ?',
  )
  const endStep = prepare<[Conclusion, number, number, number]>(
    'UPDATE run_steps SET conclusion = ?, duration_ms = ? WHERE job_id = ? AND number = ?',
  )
  const jobId: EventStore['jobId'] = (target, key) => {
    const id = target.jobs.get(key) ?? findJob.get(target.runId, key)?.id
    if (id === undefined) {
      throw invalidRequest('events', `no earlier event names job ${key}`)
    }
    target.jobs.set(key, id)
    return id
  }
  const stepOf = (
    target: Target,
    { job, step }: { job: string; step: { number: number; name: string } },
  ): [jobId: number, number: number] => {
    const id = jobId(target, job)
    const { changes } = nameStep.run(id, step.number, step.name)
    if (changes > 0) countRows(target, [step.name])
    return [id, step.number]
  }
  const event: Store = (target, reported) => {
    switch (reported.type) {
      case 'run-started':
        return void startRun.run(reported.at, target.runId)
      case 'run-finished':
        return void endRun.run(reported.conclusion, reported.durationMs, target.runId)
      case 'job-named': {
        const { key, id, name } = reported.job
        const { changes } = nameJob.run(target.runId, key, id, name)
        if (changes > 0) countRows(target, [key, id, name])
        return
      }
      case 'job-started':
        return void startJob.run(reported.at, jobId(target, reported.job))
      case 'job-finished':
        return void endJob.run(
          reported.conclusion,
          reported.durationMs,
          jobId(target, reported.job),
        )
      case 'step-started':
        return void startStep.run(reported.at, ...stepOf(target, reported))
      case 'step-finished':
        return void endStep.run(
          reported.conclusion,
          reported.durationMs,
          ...stepOf(target, reported),
        )
    }
  }
  return { event, jobId }
}

/** Counts a job or step. Errors: too_large. */
function countRows(target: Target, names: string[]): void {
  target.rowCount += rowsOf(names)
  if (target.rowCount <= limits.runRowsMax) return
  const limitValue = limits.runRowsMax
  const reason = `a run has at most ${limitValue} jobs and steps; one with long names counts as several`
  throw tooLarge('jobs and steps of one run', limitValue, reason)
}
