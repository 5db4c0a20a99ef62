/** Early checks: reject an upload that has no chance before its bytes are sent. The commit checks
 *  again. */
import { refuseReplacement, type Wish } from '../../core/artifact.ts'
import { projectQuota, quotaExceeded } from '../../core/policy/quota.ts'
import type { ProjectName, RunIdentity } from '../../core/run/run.ts'
import type { AppContext } from '../context.ts'

/** Rejects an upload that adds at least `addedBytes` logical bytes unless its name is free and it
 *  fits, or it may repeat or replace the artifact of that name. Errors: name_taken, forbidden,
 *  quota_exceeded. */
export async function requireChance(
  context: Pick<AppContext, 'config' | 'metadata' | 'now'>,
  { project: name, number: run, attempt, ...wish }: Wish & RunIdentity,
  addedBytes: number,
): Promise<void> {
  const { metadata } = context
  const project = await metadata.findProject(name)
  const holder =
    project &&
    (await metadata.findNewest(
      { projectId: project.id, run, attempt, name: wish.name },
      context.now(),
    ))
  if (holder === undefined) await requireQuota(context, name, addedBytes)
  // The same job may be about to send the same content again.
  else if (wish.onConflict !== 'same' || holder.job !== wish.job) refuseReplacement(wish, holder)
}

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
  if (limitBytes !== null) {
    const used =
      project === undefined ? 0 : (await metadata.projectFigures(project.id)).logicalBytes
    refuse(`project ${project?.name ?? name}`, limitBytes, used, setting)
  }
  if (config.storeQuotaBytes !== null) {
    const { logicalBytes } = await metadata.figures()
    refuse('the store', config.storeQuotaBytes, logicalBytes, 'TROVE_STORE_QUOTA')
  }
}
