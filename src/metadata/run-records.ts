/** Port: what is recorded of runs besides their artifacts, the part of `Metadata` that run pages
 *  read. The rules of metadata.ts hold here too. */
import type { Author } from './audit.ts'
import type { AnnotationLevel, Conclusion, LogLine, RecordedEvent } from '../core/run/run-record.ts'

/** The state of a job, a step or a run. All null while it has neither started nor ended. */
export interface Progress {
  /** `stale`: the run has been silent for `limits.recordSilenceMs`, so how this ended is
   *  unknown. */
  conclusion: Conclusion | 'stale' | null
  /** Null if it never started. */
  startedAt: number | null
  durationMs: number | null
}

export interface RecordedStep extends Progress {
  number: number
  name: string
}

export interface RecordedJob extends Progress {
  id: number
  /** Unique in the run. */
  key: string
  /** Its name in the workflow file; the jobs of a matrix share one. */
  job: string
  name: string
  logPages: number
  logLines: number
  /** Size of the pages before compression. */
  logBytes: number
  isLogCut: boolean
  /** Size of the summaries of its steps. */
  summaryBytes: number
  annotationCount: number
  /** Ordered by number. */
  steps: RecordedStep[]
}

export interface RecordedAnnotation {
  jobId: number
  /** 0 for the job itself. */
  step: number
  level: AnnotationLevel
  message: string
  title: string | null
  file: string | null
  line: number | null
  endLine: number | null
  column: number | null
  endColumn: number | null
}

/** Part of the summary of a step. */
export interface SummaryPage {
  step: number
  text: string
}

export interface RunProgress extends Progress {
  /** When the last event arrived. */
  updatedAt: number
}

export interface RunRecord extends RunProgress {
  /** In the order in which they were announced. */
  jobs: RecordedJob[]
}

export interface RunRecordMetadata {
  /** Appends the events that are not stored yet; returns the number of the next one. `sequence`
   *  is the number of the first event, from 0. A `recording` that begins at 0 replaces another,
   *  which is the act that `author` records. `isStrict`: the caller is a job, which may continue
   *  only what it began. Log lines past `limits.jobLogBytesMax` and `runLogBytesMax` are dropped
   *  after a line that says so, and so is Markdown past `limits.stepSummaryBytesMax`. Annotations
   *  and summaries past their numbers in `limits` are ignored. At most `limits.runEventsMax`
   *  events.
   *  Errors: forbidden (another job, or a person, began it), session_ended (another recording
   *  replaced it, or earlier events are missing), invalid_request (a job that was not announced),
   *  too_large (more than `limits.runRowsMax` jobs and steps). */
  appendRunEvents(
    runId: number,
    batch: { recording: string; sequence: number; events: RecordedEvent[]; isStrict?: boolean },
    now: number,
    author?: Author,
  ): Promise<number>
  findRunRecord(runId: number, now: number): Promise<RunRecord | undefined>
  /** The state of these runs (by row id, at most 200); runs without a record are left out. */
  listRunProgress(runIds: number[], now: number): Promise<(RunProgress & { runId: number })[]>
  /** Page `page` of a job's log, from 0: about `limits.logPageBytes`. Undefined past the end. */
  readLogPage(jobId: number, page: number): Promise<LogLine[] | undefined>
  /** All annotations of a run, or of one of its jobs: those of a job in order, jobs in the order in
   *  which they were announced. */
  listAnnotations(runId: number, jobId?: number): Promise<RecordedAnnotation[]>
  /** Page `page` of the summaries of a job, from 0, in the order of steps: at most 256 KiB.
   *  Undefined past the end. */
  readSummaryPage(jobId: number, page: number): Promise<SummaryPage | undefined>
  /** Deletes the records of all attempts of a run, in steps, logs and summaries first. A no-op when
   *  there are none. */
  removeRunRecords(projectId: number, number: number, author?: Author): Promise<void>
  /** Deletes one job with all that was reported of it, in steps, the log first; false when there is
   *  no such job. The job's artifacts stay. */
  removeRunJob(runId: number, key: string, author?: Author): Promise<boolean>
  /** Deletes at most `limit` records that have been silent since `updatedBy`; returns how many. */
  purgeRunRecords(updatedBy: number, limit: number): Promise<number>
}
