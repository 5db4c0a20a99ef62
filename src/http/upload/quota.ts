/** Early quota check: rejects an upload that cannot fit before its bytes are sent. The commit
 *  checks again. */
import { projectQuota, quotaExceeded } from '../../core/policy/quota.ts'
import type { ProjectName } from '../../core/run/run.ts'
import type { AppContext } from '../context.ts'

/** Checks whether an upload that adds at least `addedBytes` logical bytes fits. Not for uploads
 *  that replace an artifact, which may free as much as they add. Errors: quota_exceeded. */
export async function requireQuota(
  { config, metadata }: Pick<AppContext, 'config' | 'metadata'>,
  name: ProjectName,
  addedBytes: number,
): Promise<void> {
  const refuse = (scope: string, limitBytes: number, used: number, setting: string): void => {
    const usedBytes = used + addedBytes
    if (usedBytes > limitBytes) throw quotaExceeded({ scope, limitBytes, usedBytes, setting })
  }
  const project = await metadata.findProject(name)
  const own = project?.quotaBytes ?? null
  const { limitBytes, setting } = projectQuota(own, config.projectQuotaBytes)
  if (project !== undefined && limitBytes !== null) {
    const { logicalBytes } = await metadata.projectFigures(project.id)
    refuse(`project ${project.name}`, limitBytes, logicalBytes, setting)
  }
  if (config.storeQuotaBytes !== null) {
    const { logicalBytes } = await metadata.figures()
    refuse('the store', config.storeQuotaBytes, logicalBytes, 'TROVE_STORE_QUOTA')
  }
}
