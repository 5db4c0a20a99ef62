/** CreateArtifact: reserves a name and returns the URL to upload to. */
import { randomBytes } from 'node:crypto'
import type { Principal } from '../../auth/principal.ts'
import { signTarget } from '../../auth/signed-urls.ts'
import { parseArtifactName } from '../../core/artifact.ts'
import { limits } from '../../core/limits.ts'
import { tooManyArtifacts } from '../../core/policy/quota.ts'
import type { AppContext } from '../../http/context.ts'
import { requireQuota } from '../../http/upload/quota.ts'
import type { ArtifactFilter, Run } from '../../metadata/metadata.ts'
import { conflictPolicyOf } from './conflict-policy.ts'
import type { FinalizeQueue } from './finalize-artifact.ts'
import { writableRun } from './job-place.ts'
import type { CreateRequest } from './messages.ts'

/** Returns the path and query of the upload URL. Replaces an unfinished upload of the same name
 *  (GITHUB-PROTOCOL §6.1). Errors: forbidden, invalid_name, name_taken, too_large,
 *  quota_exceeded. */
export async function createArtifact(
  context: AppContext,
  queue: FinalizeQueue,
  principal: Principal,
  request: CreateRequest,
): Promise<string> {
  const name = parseArtifactName(request.name)
  const { run, job } = await writableRun(context, principal, request)
  const now = context.now()
  const onConflict = await conflictPolicyOf(context, principal, run)
  const isReplacing =
    onConflict !== 'reject' &&
    (await context.metadata.findNewest({ ...placeOf(run), name }, now)) !== undefined
  if (!isReplacing) {
    await requireArtifactsLeft(context, run, now)
    // The request does not state the size; the upload adds at least one byte.
    await requireQuota(context, { ...run, name }, 1)
  }
  const id = randomBytes(16).toString('hex')
  await context.staging.openUpload(id)
  try {
    const { replacedUploadIds } = await context.metadata.createUpload({
      id,
      runId: run.id,
      job,
      name,
      mimeType: request.mimeType,
      requestedExpiresAt: request.expiresAt,
      now,
      takeoverMs: limits.uploadTakeoverMs,
      onConflict,
    })
    for (const replaced of replacedUploadIds) await queue.dropUpload(replaced)
    const { projectId } = run
    context.arrivals.begin(id, { projectId, run: run.number, name, totalBytes: null })
  } catch (error) {
    await context.staging.removeUpload(id)
    throw error
  }
  const target = { access: 'write', route: 'upload', id } as const
  const { se, sig } = signTarget(context.keys.signedUrls, target, now + context.config.uploadUrlMs)
  // GITHUB-PROTOCOL §8.1: at least two segments, and nothing that needs escaping.
  return `/blob/artifacts/${id}?se=${se}&sig=${sig}`
}

async function requireArtifactsLeft(context: AppContext, run: Run, now: number): Promise<void> {
  const count = await context.metadata.countArtifacts(placeOf(run), now)
  if (count >= limits.artifactsPerRunMax) throw tooManyArtifacts(run.number)
}

function placeOf({ projectId, number, attempt }: Run): ArtifactFilter {
  return { projectId, run: number, attempt }
}
