/** Quotas have their last word here, whatever was said at the door. */
import { quotaExceeded } from '../../core/quota.ts'
import type { Quota } from '../metadata.ts'
import type { Connection } from './connection.ts'

/** Compares the rollups of a project and of the store with what they may be, inside a transaction that has made an artifact
 *  count; throwing takes that back. Errors: quota_exceeded. */
export type QuotaCheck = (projectId: number) => void

export function createQuotaCheck(
  { prepare }: Connection,
  { projectBytes, storeBytes }: Quota,
): QuotaCheck {
  const used = prepare<[number], { bytes: number }>(
    'SELECT logical_bytes AS bytes FROM totals WHERE scope = ?',
  )
  const findProject = prepare<[number], { name: string; quotaBytes: number | null }>(
    'SELECT owner_repo AS name, quota_bytes AS quotaBytes FROM projects WHERE id = ?',
  )
  const check = (scope: number, limitBytes: number | null, name: string, setting: string): void => {
    const usedBytes = used.get(scope)!.bytes
    if (limitBytes === null || usedBytes <= limitBytes) return
    throw quotaExceeded({ scope: name, limitBytes, usedBytes, setting })
  }
  return (projectId) => {
    const { name, quotaBytes } = findProject.get(projectId)!
    const setting = quotaBytes === null ? 'TROVE_PROJECT_QUOTA' : 'quotaBytes of the project'
    check(projectId, quotaBytes ?? projectBytes, `project ${name}`, setting)
    check(0, storeBytes, 'the store', 'TROVE_STORE_QUOTA')
  }
}
