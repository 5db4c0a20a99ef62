/** The final check of quotas and of the number of artifacts per run, whatever was checked when
 *  the upload began. */
import { limits } from '../../../core/limits.ts'
import { projectQuota, quotaExceeded, tooManyArtifacts } from '../../../core/policy/quota.ts'
import type { Quota } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'

/** Compares the usage of a run, a project and the store with their limits, inside the
 *  transaction that has just counted one more artifact; throwing rolls that back.
 *  Errors: quota_exceeded, too_large. */
export type BoundCheck = (owner: { runId: number; projectId: number }, now: number) => void

export function createBoundCheck(
  { prepare }: Connection,
  { projectBytes, storeBytes }: Quota,
): BoundCheck {
  const used = prepare<[number], { bytes: number }>(
    'SELECT logical_bytes AS bytes FROM totals WHERE scope = ?',
  )
  const findProject = prepare<[number], { name: string; quotaBytes: number | null }>(
    'SELECT owner_repo AS name, quota_bytes AS quotaBytes FROM projects WHERE id = ?',
  )
  const findRun = prepare<[number], { number: number }>('SELECT number FROM runs WHERE id = ?')
  // Covered by the index. Few runs have so many artifacts that it matters which of them have
  // expired.
  const held = prepare<[number], { count: number }>(
    `SELECT count(*) AS count FROM artifacts INDEXED BY artifacts_held_name
     WHERE run_id = ? AND removed_at IS NULL`,
  )
  const live = prepare<[number, number], { count: number }>(
    `SELECT count(*) AS count FROM artifacts INDEXED BY artifacts_held_name
     WHERE run_id = ? AND removed_at IS NULL AND ends_at > ?`,
  )
  const check = (scope: number, limitBytes: number | null, name: string, setting: string): void => {
    const usedBytes = used.get(scope)!.bytes
    if (limitBytes === null || usedBytes <= limitBytes) return
    throw quotaExceeded({ scope: name, limitBytes, usedBytes, setting })
  }
  return ({ runId, projectId }, now) => {
    const { artifactsPerRunMax: max } = limits
    if (held.get(runId)!.count > max && live.get(runId, now)!.count > max)
      throw tooManyArtifacts(findRun.get(runId)!.number)
    const { name, quotaBytes } = findProject.get(projectId)!
    const { limitBytes, setting } = projectQuota(quotaBytes, projectBytes)
    check(projectId, limitBytes, `project ${name}`, setting)
    check(0, storeBytes, 'the store', 'TROVE_STORE_QUOTA')
  }
}
