/** Deletes what runners reported: a whole run, or one job of it, in short steps. */
import type { ProjectName } from '../../../core/run.ts'
import type { Asked } from '../../metadata.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Connection } from '../connection/connection.ts'

/** Rows per step; a log page is up to 64 KiB. */
const pageBatch = 5
const stepBatch = 50

/** Returns a function that deletes the record of a run. Logs are up to a thousand pages, jobs
 *  and steps up to ten thousand rows: too many for one transaction. `onStep` is called in each
 *  transaction that deletes pages. */
export function createRecordRemoval({
  prepare,
  stage,
  stageInSteps,
}: Connection): (runId: number, onStep?: () => void) => Promise<void> {
  const ofRun = '(SELECT id FROM run_jobs WHERE run_id = ?)'
  const dropPages = prepare<[number, number]>(
    `DELETE FROM log_pages WHERE (job_id, page) IN
       (SELECT job_id, page FROM log_pages WHERE job_id IN ${ofRun} LIMIT ?)`,
  )
  const dropSteps = prepare<[number, number]>(
    `DELETE FROM run_steps WHERE (job_id, number) IN
       (SELECT job_id, number FROM run_steps WHERE job_id IN ${ofRun} LIMIT ?)`,
  )
  const dropRecord = prepare<[number]>('DELETE FROM run_records WHERE run_id = ?')
  return async (runId, onStep) => {
    await stageInSteps(() => {
      onStep?.()
      return dropPages.run(runId, pageBatch).changes === pageBatch
    })
    await stageInSteps(() => dropSteps.run(runId, stepBatch).changes === stepBatch)
    stage(() => dropRecord.run(runId))
  }
}

/** Returns a function to call in each step of deleting the record of a run, or of one job of it.
 *  Its first call records the act in the audit log. */
export function createRemovalRecording(
  { prepare }: Connection,
  audit: AuditLog,
): (runId: number, asked: Asked | undefined, job?: string) => () => void {
  const find = prepare<[number], { run: number; project: ProjectName }>(
    `SELECT r.number AS run, p.owner_repo AS project
     FROM runs r JOIN projects p ON p.id = r.project_id WHERE r.id = ?`,
  )
  return (runId, asked, job) => {
    let isRecorded = false
    return () => {
      if (isRecorded) return
      isRecorded = true
      const { run, project } = find.get(runId)!
      if (job === undefined) audit.record(asked, { kind: 'delete-run', project, details: { run } })
      else audit.record(asked, { kind: 'delete-job', project, details: { run, job } })
    }
  }
}

/** Returns a function that deletes a job and subtracts its share of the run's limits. `onStep`
 *  is called in each transaction that deletes pages. */
export function createJobRemoval({
  prepare,
  stage,
  stageInSteps,
}: Connection): (runId: number, key: string, onStep: () => void) => Promise<boolean> {
  const find = prepare<[number, string], { id: number }>(
    'SELECT id FROM run_jobs WHERE run_id = ? AND key = ?',
  )
  const dropPages = prepare<[number, number, number]>(
    `DELETE FROM log_pages WHERE job_id = ? AND page IN
       (SELECT page FROM log_pages WHERE job_id = ? LIMIT ?)`,
  )
  const dropSteps = prepare<[number, number, number]>(
    `DELETE FROM run_steps WHERE job_id = ? AND number IN
       (SELECT number FROM run_steps WHERE job_id = ? LIMIT ?)`,
  )
  const dropJob = prepare<[number], { logBytes: number }>(
    'DELETE FROM run_jobs WHERE id = ? RETURNING log_bytes AS logBytes',
  )
  const uncount = prepare<[number, number, number]>(
    `UPDATE run_records SET row_count = row_count - ?, log_bytes = max(0, log_bytes - ?)
     WHERE run_id = ?`,
  )
  return async (runId, key, onStep) => {
    const id = find.get(runId, key)?.id
    if (id === undefined) return false
    await stageInSteps(() => {
      onStep()
      return dropPages.run(id, id, pageBatch).changes === pageBatch
    })
    await stageInSteps(() => {
      const { changes } = dropSteps.run(id, id, stepBatch)
      uncount.run(changes, 0, runId)
      return changes === stepBatch
    })
    return stage(() => {
      const dropped = dropJob.get(id)
      if (dropped !== undefined) uncount.run(1, dropped.logBytes, runId)
      return dropped !== undefined
    })
  }
}
