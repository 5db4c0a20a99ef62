/** Deletes what runners reported: a whole run, or one job of it, in short steps. */
import type { ProjectName } from '../../../core/run/run.ts'
import type { Author } from '../../metadata.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Connection } from '../connection/connection.ts'

/** Rows per step; a page of a log or a summary is up to 64 KiB. */
const pageBatch = 5
const stepBatch = 50

/** Rows of a job, in the order in which they are deleted, and how many of them one step deletes.
 *  `run_steps` count as rows of the record. */
const partsOfJobs = [
  { table: 'log_pages', key: 'job_id, page', batch: pageBatch },
  { table: 'summary_pages', key: 'job_id, step, page', batch: pageBatch },
  { table: 'annotations', key: 'job_id, number', batch: stepBatch },
  { table: 'run_steps', key: 'job_id, number', batch: stepBatch },
] as const

/** Returns a function that deletes all parts of the jobs that `condition` selects by one id.
 *  `onStep` is called in each transaction, with the number of deleted steps. */
function createPartRemoval(
  { prepare, stageInSteps }: Connection,
  condition: string,
): (id: number, onStep?: (steps: number) => void) => Promise<void> {
  const parts = partsOfJobs.map(({ table, key, batch }) => ({
    table,
    batch,
    drop: prepare<[number, number]>(
      `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE ${condition} LIMIT ?)`,
    ),
  }))
  return async (id, onStep) => {
    for (const { table, batch, drop } of parts) {
      await stageInSteps(() => {
        const { changes } = drop.run(id, batch)
        onStep?.(table === 'run_steps' ? changes : 0)
        return changes === batch
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
  const dropJob = prepare<[number], { bytes: number }>(
    'DELETE FROM run_jobs WHERE id = ? RETURNING log_bytes + summary_bytes AS bytes',
  )
  const uncount = prepare<[number, number, number]>(
    `UPDATE run_records SET row_count = row_count - ?, log_bytes = max(0, log_bytes - ?)
     WHERE run_id = ?`,
  )
  return async (runId, key, onStep) => {
    const id = find.get(runId, key)?.id
    if (id === undefined) return false
    await removeParts(id, (steps) => {
      onStep()
      if (steps > 0) uncount.run(steps, 0, runId)
    })
    return stage(() => {
      const dropped = dropJob.get(id)
      if (dropped !== undefined) uncount.run(1, dropped.bytes, runId)
      return dropped !== undefined
    })
  }
}
