/** Deletes what runners reported: a whole run, or one job of it, in short steps. */
import { limits } from '../../../core/limits.ts'
import type { ProjectName } from '../../../core/run/run.ts'
import type { Author } from '../../metadata.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Connection } from '../connection/connection.ts'

/** Rows per step; a page of a log or a summary is up to 64 KiB. */
const pageBatch = 5
const stepBatch = 50

/** What a job or step with these names counts as towards `limits.runRowsMax`. */
export function rowsOf(names: readonly string[]): number {
  const characters = names.reduce((sum, name) => sum + name.length, 0)
  return 1 + Math.floor(characters / limits.namesCharactersPerRow)
}

/** Rows of a job, in the order in which they are deleted, and how many of them one step deletes.
 *  `run_steps` count as rows of the record. */
const partsOfJobs = [
  { table: 'log_pages', batch: pageBatch },
  { table: 'summary_pages', batch: pageBatch },
  { table: 'annotations', batch: stepBatch },
  { table: 'run_steps', batch: stepBatch },
] as const

/** Returns a function that deletes all parts of the jobs that `condition` selects by one id.
 *  `onStep` is called in each transaction, with what the deleted steps counted as. */
function createPartRemoval(
  { prepare, stageInSteps }: Connection,
  condition: string,
): (id: number, onStep?: (rows: number) => void) => Promise<void> {
  const parts = partsOfJobs.map(({ table, batch }) => ({
    batch,
    drop: prepare<[number, number], { step: string | null }>(
      `DELETE FROM ${table} WHERE ${condition}
       RETURNING ${table === 'run_steps' ? 'name' : 'NULL'} AS step LIMIT ?`,
    ),
  }))
  return async (id, onStep) => {
    for (const { batch, drop } of parts) {
      await stageInSteps(() => {
        const dropped = drop.all(id, batch)
        onStep?.(dropped.reduce((sum, { step }) => sum + (step === null ? 0 : rowsOf([step])), 0))
        return dropped.length === batch
      })
    }
  }
}

/** Returns a function that deletes the record of a run. Logs and summaries are up to a thousand
 *  pages, jobs and steps up to ten thousand rows: too many for one transaction. `onStep` is called
 *  in each transaction but the last. */
export function createRecordRemoval(
  connection: Connection,
): (runId: number, onStep?: () => void) => Promise<void> {
  const { prepare, stage } = connection
  const removeParts = createPartRemoval(
    connection,
    'job_id IN (SELECT id FROM run_jobs WHERE run_id = ?)',
  )
  const dropRecord = prepare<[number]>('DELETE FROM run_records WHERE run_id = ?')
  return async (runId, onStep) => {
    await removeParts(runId, () => onStep?.())
    stage(() => dropRecord.run(runId))
  }
}

/** Returns a function to call in each step of deleting the record of a run, or of one job of it.
 *  Its first call records the act in the audit log. */
export function createRemovalRecording(
  { prepare }: Connection,
  audit: AuditLog,
): (runId: number, author: Author | undefined, job?: string) => () => void {
  const find = prepare<[number], { run: number; project: ProjectName }>(
    `SELECT r.number AS run, p.owner_repo AS project
     FROM runs r JOIN projects p ON p.id = r.project_id WHERE r.id = ?`,
  )
  return (runId, author, job) => {
    let isRecorded = false
    return () => {
      if (isRecorded) return
      isRecorded = true
      const { run, project } = find.get(runId)!
      if (job === undefined) audit.record(author, { kind: 'delete-run', project, details: { run } })
      else audit.record(author, { kind: 'delete-job', project, details: { run, job } })
    }
  }
}

/** Returns a function that deletes a job and subtracts its share of the run's limits. `onStep`
 *  is called in each transaction but the last. */
export function createJobRemoval(
  connection: Connection,
): (runId: number, key: string, onStep: () => void) => Promise<boolean> {
  const { prepare, stage } = connection
  const find = prepare<[number, string], { id: number }>(
    'SELECT id FROM run_jobs WHERE run_id = ? AND key = ?',
  )
  const removeParts = createPartRemoval(connection, 'job_id = ?')
  const dropJob = prepare<[number], { job: string; name: string; bytes: number }>(
    'DELETE FROM run_jobs WHERE id = ? RETURNING job, name, log_bytes + summary_bytes AS bytes',
  )
  const uncount = prepare<[number, number, number]>(
    `UPDATE run_records SET row_count = row_count - ?, log_bytes = max(0, log_bytes - ?)
     WHERE run_id = ?`,
  )
  return async (runId, key, onStep) => {
    const id = find.get(runId, key)?.id
    if (id === undefined) return false
    await removeParts(id, (rows) => {
      onStep()
      if (rows > 0) uncount.run(rows, 0, runId)
    })
    return stage(() => {
      const dropped = dropJob.get(id)
      if (dropped === undefined) return false
      uncount.run(rowsOf([key, dropped.job, dropped.name]), dropped.bytes, runId)
      return true
    })
  }
}
