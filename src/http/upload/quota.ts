/** Early checks: reject an upload that has no chance before its bytes are sent. The commit checks
 *  again. */
import { refuseReplacement, type Wish } from '../../core/artifact.ts'
import { projectQuota, quotaExceeded } from '../../core/policy/quota.ts'
import type { RunIdentity } from '../../core/run/run.ts'
import type { ArtifactFilter, Project } from '../../metadata/metadata.ts'
import type { AppContext } from '../context.ts'

/** Rejects an upload that adds at least `addedBytes` logical bytes unless its name is free and it
 *  fits, or it may repeat or replace the artifact of that name. Errors: name_taken, forbidden,
 *  quota_exceeded. */
export async function requireChance(
  context: Pick<AppContext, 'config' | 'metadata' | 'now'>,
  upload: Wish & RunIdentity,
  addedBytes: number,
): Promise<void> {
  const { metadata } = context
  const project = await metadata.findProject(upload.project)
  const holder = project && (await metadata.findNewest(placeOf(project, upload), context.now()))
  if (holder === undefined) await requireQuota(context, upload, addedBytes)
  // The same job may be about to send the same content again.
  else if (upload.onConflict !== 'same' || holder.job !== upload.job)
    refuseReplacement(upload, holder)
}

function placeOf(
  { id: projectId }: Project,
  { number: run, attempt, name }: RunIdentity & { name: string },
): ArtifactFilter {
  return { projectId, run, attempt, name }
}

/** Checks whether an upload that adds at least `addedBytes` logical bytes fits. Not for uploads
 *  that replace an artifact, which may free as much as they add. Errors: quota_exceeded. */
export async function requireQuota(
  { config, metadata, now }: Pick<AppContext, 'config' | 'metadata' | 'now'>,
  upload: RunIdentity & { name: string },
  addedBytes: number,
): Promise<void> {
  const project = await metadata.findProject(upload.project)
  /** Bytes of an expired artifact of that name that still count, until the upload removes it. */
  const freedBytes = async (): Promise<number> => {
    if (project === undefined) return 0
    const filter = { ...placeOf(project, upload), state: 'expired' } as const
    const expired = await metadata.findNewest(filter, now())
    return expired?.removedAt === null ? expired.logicalBytes : 0
  }
  const check = async (
    scope: string,
    limitBytes: number,
    used: number,
    setting: string,
  ): Promise<void> => {
    if (used + addedBytes <= limitBytes) return
    const usedBytes = used + addedBytes - (await freedBytes())
    if (usedBytes > limitBytes) throw quotaExceeded({ scope, limitBytes, usedBytes, setting })
  }
  const own = project?.quotaBytes ?? null
  const { limitBytes, setting } = projectQuota(own, config.projectQuotaBytes)
  if (limitBytes !== null) {
    const used =
      project === undefined ? 0 : (await metadata.projectFigures(project.id)).logicalBytes
    await check(`project ${project?.name ?? upload.project}`, limitBytes, used, setting)
  }
  if (config.storeQuotaBytes !== null) {
    const { logicalBytes } = await metadata.figures()
    await check('the store', config.storeQuotaBytes, logicalBytes, 'TROVE_STORE_QUOTA')
  }
}
