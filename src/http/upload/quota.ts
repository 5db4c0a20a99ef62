/** Quotas at the door: what cannot fit is refused before its bytes are sent. The commit has the last word. */
import { quotaExceeded } from '../../core/quota.ts'
import type { ProjectName } from '../../core/run.ts'
import type { AppContext } from '../context.ts'

/** Lets an upload begin that adds `addedBytes` logical bytes at least. Not for uploads that replace another, which may
 *  free as much as they add. Errors: quota_exceeded. */
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
  const limitBytes = own ?? config.projectQuotaBytes
  if (project !== undefined && limitBytes !== null) {
    const { logicalBytes } = await metadata.projectFigures(project.id)
    const setting = own === null ? 'TROVE_PROJECT_QUOTA' : 'quotaBytes of the project'
    refuse(`project ${project.name}`, limitBytes, logicalBytes, setting)
  }
  if (config.storeQuotaBytes !== null) {
    const { logicalBytes } = await metadata.figures()
    refuse('the store', config.storeQuotaBytes, logicalBytes, 'TROVE_STORE_QUOTA')
  }
}
