/** FinalizeArtifact: turns staged bytes into an artifact, exactly once even if the client
 *  repeats the request. */
import type { Principal } from '../../auth/principal.ts'
import type { Digest } from '../../core/bytes/digest.ts'
import {
  digestMismatch,
  hasCode,
  invalidRequest,
  lengthMismatch,
  notFound,
  StoreError,
} from '../../core/errors.ts'
import { isZipType } from '../../core/media-type.ts'
import { expiresAtOf, type RetentionPolicy } from '../../core/policy/retention.ts'
import { actorOf } from '../../http/access/actor.ts'
import type { AppContext } from '../../http/context.ts'
import { retentionOf } from '../../http/artifact/retention.ts'
import { createTurns } from '../../http/upload/turns.ts'
import type { IngestJob, UploadForm } from '../../ingest/job.ts'
import type { Run, Upload } from '../../metadata/metadata.ts'
import { conflictPolicyOf } from './conflict-policy.ts'
import { twirpErrors } from './error.ts'
import { writableRun } from './job-place.ts'
import type { FinalizeRequest } from './messages.ts'
import { stockFormOf } from '../stock-view.ts'

/** Finalizations in progress in this process. A repeated request waits for the first instead of
 *  racing it. */
export interface FinalizeQueue {
  /** Returns the artifact's id. Errors: forbidden, not_found, invalid_request, length_mismatch,
   *  digest_mismatch, bad_archive, too_large, name_taken, storage_full. */
  finalize(principal: Principal, request: FinalizeRequest): Promise<number>
  /** Drops the staged bytes of an upload, after its finalization if one is running. */
  dropUpload(uploadId: string): Promise<void>
}

export function createFinalizeQueue(context: AppContext): FinalizeQueue {
  const turns = createTurns()
  return {
    finalize: async (principal, request) => {
      const { run, job } = await writableRun(context, principal, request)
      const named = await context.metadata.findUploadByName(run.id, job, request.name)
      if (named === undefined) throw noUpload(job, request.name)
      const artifactId = await turns.take(named.id, async () => {
        // Looked up by id, since another upload may have the name by now.
        const upload = await context.metadata.findUpload(named.id)
        if (upload === undefined) throw noUpload(job, request.name)
        return await finalizeUpload(context, principal, { run, upload }, request)
      })
      await context.backgroundJobs.confirm()
      return artifactId
    },

    dropUpload: async (uploadId) => {
      await turns.over(uploadId)
      context.arrivals.end(uploadId)
      await context.staging.removeUpload(uploadId)
    },
  }
}

function noUpload(job: string, name: string): Error {
  return notFound('upload', `job ${job} has no upload called ${JSON.stringify(name)}`)
}

/** Responds to a Finalize that already succeeded: the same id for the same bytes, an error for
 *  others. */
async function repeatedResult(
  context: AppContext,
  upload: Upload,
  request: FinalizeRequest,
): Promise<number> {
  const artifact =
    upload.artifactId === null ? undefined : await context.metadata.findArtifact(upload.artifactId)
  if (artifact === undefined) {
    throw notFound('artifact', `the artifact ${upload.name} no longer exists`)
  }
  requireLength(upload, request)
  const form = await stockFormOf(context.metadata, artifact, 'other')
  // A rebuilt zip has a digest of its own, so what was sent cannot be compared.
  const sent: Digest | null = artifact.kind === 'tree' ? null : form.digest
  if (sent !== null && request.digest !== null && sent !== request.digest) {
    throw digestMismatch(`${upload.name} is finalized with another digest`, request.digest, sent)
  }
  return artifact.id
}

async function finalizeUpload(
  context: AppContext,
  principal: Principal,
  { run, upload }: { run: Run; upload: Upload },
  request: FinalizeRequest,
): Promise<number> {
  if (upload.state === 'done') return await repeatedResult(context, upload, request)
  if (upload.blockListDigest === null) {
    throw invalidRequest('name', `no block list was uploaded for ${upload.name}`)
  }
  try {
    requireLength(upload, request)
    const staged = await context.staging.readAssembled(upload.id, upload.blockListDigest)
    const onConflict = await conflictPolicyOf(context, principal, run)
    const { artifact } = await context.ingest.run({
      ...jobOf(context, upload, { run, retention: await retentionOf(context, run.project) }),
      expected: { sizeBytes: request.sizeBytes, digest: request.digest },
      staged,
      onConflict,
      by: actorOf(principal, 'github'),
    })
    context.arrivals.end(upload.id)
    await context.checkpoint?.('finalized')
    await context.staging.removeUpload(upload.id)
    return artifact.id
  } catch (error) {
    if (hasCode(error, 'storage_full')) await context.staging.abandon(upload.id, error)
    // Only the client can fix these, with another request; it repeats those of 500 and above. The
    // mark lets the next start drop the staged bytes, since no client waits for them any more.
    else if (error instanceof StoreError && twirpErrors[error.code][1] < 500)
      await context.staging.markRefused(upload.id)
    throw error
  }
}

function jobOf(
  context: AppContext,
  upload: Upload,
  { run, retention }: { run: Run; retention: RetentionPolicy },
): Omit<IngestJob, 'staged' | 'onConflict' | 'expected'> {
  const wanted = upload.requestedExpiresAt
  const from = context.clock.retentionFrom()
  return {
    form: uploadFormOf(upload),
    projectId: run.projectId,
    runId: run.id,
    job: upload.job,
    name: upload.name,
    mimeType: mimeTypeOf(upload),
    fileName: upload.name,
    createdAt: context.now(),
    // GITHUB-PROTOCOL §7: the client's clock is not trusted, so the requested expiry is clamped to
    // the bounds.
    expiresAt: expiresAtOf(wanted === null ? null : { expiresAt: wanted }, retention, from),
    uploadId: upload.id,
  }
}

function requireLength(upload: Upload, request: FinalizeRequest): void {
  if (upload.sizeBytes === request.sizeBytes) return
  throw lengthMismatch(
    `${upload.name}: the request says ${request.sizeBytes} bytes, but ${upload.sizeBytes ?? 0} were received`,
    request.sizeBytes,
    upload.sizeBytes ?? 0,
  )
}

/** The type that the client declares. Library < 6.2 calls every zip `zip` (GITHUB-PROTOCOL
 *  §8.3). */
function mimeTypeOf(upload: Upload): string | null {
  const declared = upload.mimeType ?? upload.contentType
  return declared === 'zip' ? 'application/zip' : declared
}

/** Only clients that send a `mime_type` declare the form deliberately. With a type other than
 *  zip the upload stays one file, even if its bytes are a zip (`.jar`). Without a `mime_type`
 *  the bytes decide, since docker's records are declared as zips (§8.4). */
function uploadFormOf(upload: Upload): UploadForm {
  if (upload.mimeType === null) return 'auto'
  return isZipType(upload.mimeType) ? 'zip' : 'file'
}
