/** Reading by a signed URL, which is the credential: whatever else the request carries counts
 *  for nothing. */
import { type GivenSignature, type SignedTarget, verifyReading } from '../../auth/signed-urls.ts'
import { assertLive, readArtifact } from '../../browse/find-artifact.ts'
import { parsePositiveInteger } from '../../core/run/run.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { outgoingOf, type AppContext, type AppRequest } from '../context.ts'
import { seenByAll } from './seen-by.ts'
import { requireStandingSigner } from './standing.ts'

/** Returns the artifact of a signed URL. Errors: signed_url_invalid, invalid_request (the id),
 *  artifact_not_found, artifact_expired, artifact_deleted, busy (too many visitors). */
export async function signedArtifact(
  context: AppContext,
  c: AppRequest,
  target: Omit<SignedTarget, 'access'>,
  signature: GivenSignature,
): Promise<Artifact> {
  const { keys, visitors, metadata, now } = context
  const signer = verifyReading(keys.signedUrls, target, signature, now())
  if (signer === null) visitors.admit(outgoingOf(c))
  else c.set('signer', signer)
  const reference = { kind: 'id', id: parsePositiveInteger(target.id, 'id') } as const
  const artifact = await readArtifact(metadata, reference, { project: null, now: now() })
  requireStandingSigner(context, signer, artifact.project)
  assertLive(seenByAll(artifact), now())
  return artifact
}

/** The signature in the query of a request. */
export function signatureOf(c: AppRequest): GivenSignature {
  return { se: c.req.query('se'), by: c.req.query('by'), sig: c.req.query('sig') }
}
