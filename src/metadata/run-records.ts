/** Port: what is kept of runs besides their artifacts, the part of `Metadata` that run pages read. The rules of
 *  metadata.ts hold here too. */
import type { Asked } from './audit.ts'
import type { Conclusion, LogLine, RecordedEvent } from '../core/run-record.ts'

/** What a job, a step or a run has come to. All null while it has neither started nor ended. */
export interface Progress {
  /** `stale`: nothing was heard of the run for `limits.recordSilenceMs`, and so not how this ended. */
  conclusion: Conclusion | 'stale' | null
  /** Null for what never started. */
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
  /** As the workflow file calls it; the jobs of a matrix share one. */
  job: string
  name: string
  logPages: number
  logLines: number
  /** Of the pages before compression. */
  logBytes: number
  isLogCut: boolean
  /** By number. */
  steps: RecordedStep[]
}

export interface RunProgress extends Progress {
  /** When something was told last. */
  updatedAt: number
}

export interface RunRecord extends RunProgress {
  /** In the order in which they were named. */
  jobs: RecordedJob[]
}

export interface RunRecordMetadata {
  /** Adds the events that are not in yet; answers the number of the next. `sequence` is the number of the first one, from
   *  0. A `recording` that begins at 0 takes the place of another, which is the act that `asked` is for. `isStrict`: who asks is
   *  a job that may tell only what it began to tell. Log lines past
   *  `limits.jobLogBytesMax` and `runLogBytesMax` are dropped after a line that says so. At most `limits.runEventsMax` events.
   *  Errors: forbidden (another job, or a person, began it), session_ended (another recording took its place, or events before these are missing), invalid_request (a job
   *  that was not named), too_large (more than `limits.runRowsMax` jobs and steps). */
  appendRunEvents(
    runId: number,
    batch: { recording: string; sequence: number; events: RecordedEvent[]; isStrict?: boolean },
    now: number,
    asked?: Asked,
  ): Promise<number>
  findRunRecord(runId: number, now: number): Promise<RunRecord | undefined>
  /** What these runs (by row id, at most 200) have come to; those of which nothing was told are left out. */
  listRunProgress(runIds: number[], now: number): Promise<(RunProgress & { runId: number })[]>
  /** Page `page` of a job's log, from 0: about `limits.logPageBytes`. Undefined past the end. */
  readLogPage(jobId: number, page: number): Promise<LogLine[] | undefined>
  /** Forgets what was recorded of all attempts of a run, in steps, logs first. Harmless when there is nothing. */
  removeRunRecords(projectId: number, number: number, asked?: Asked): Promise<void>
  /** Forgets one job with its steps and its log, in steps, the log first; false when there is none of that key. Artifacts
   *  that it made stay. */
  removeRunJob(runId: number, key: string, asked?: Asked): Promise<boolean>
  /** Forgets at most `limit` records of which nothing was heard since `updatedBy`; answers how many. */
  purgeRunRecords(updatedBy: number, limit: number): Promise<number>
}
