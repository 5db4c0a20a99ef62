/** The end of a negotiated upload: checks large files against their own digests, stages a manifest
 *  that refers to what the session has leased, and makes the artifact visible. Holds one page of
 *  entries at a time. */
import { treeOfFiles } from '../../core/artifact.ts'
import { hasCode } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { manifestPages } from '../../core/manifest/manifest-pages.ts'
import { readTimes } from '../../core/manifest/modification-times.ts'
import { measureRepresentations } from '../../egress/measure.ts'
import type { Published } from '../../metadata/metadata.ts'
import type { IngestPorts } from '../session.ts'
import type { Offer } from './job.ts'
import { incomplete } from './incomplete.ts'
import { claimOffered } from './receive-manifest.ts'
import { registerComposites } from './register-composites.ts'
import { type StagedManifest, stageOfferedTree } from './stage-manifest.ts'

/** Errors: upload_incomplete, digest_mismatch, length_mismatch, name_taken, session_ended. */
export async function commitOffer(
  ports: IngestPorts,
  offer: Offer,
  signal: AbortSignal | undefined,
): Promise<Published> {
  try {
    return await commitTree(ports, offer, signal)
  } catch (error) {
    // Its client may never come back. The first failure is the one to report: a full disk prevents
    // this, too.
    await ports.metadata.unstageManifests(offer.sessionId).catch(() => {})
    throw error
  }
}

async function commitTree(
  ports: IngestPorts,
  offer: Offer,
  signal: AbortSignal | undefined,
): Promise<Published> {
  const { metadata, checkpoint } = ports
  const { sessionId, tree: _tree, ...artifact } = offer
  await metadata.renewSession(sessionId, ports.now(), limits.leaseMs)
  const { manifestId, entryCount, measured } =
    (await findKnownManifest(ports, offer)) ?? (await stageReceived(ports, offer, signal))
  await checkTimes(ports, sessionId, entryCount)
  await checkpoint?.('manifest-staged')
  const newBytes = await metadata.sessionPackBytes(sessionId)
  await checkpoint?.('commit-next')
  const published = await metadata.commitArtifact(sessionId, {
    ...artifact,
    ...treeOfFiles,
    manifestId,
    ...measured,
    newBytes,
    now: ports.now(),
    uploadId: null,
  })
  await checkpoint?.('committed')
  return published
}

/** Finds the manifest when the project already knows the tree; then no entries are needed. The
 *  statement that finds it also takes the lease. */
async function findKnownManifest(
  { metadata, now }: IngestPorts,
  { sessionId, tree }: Offer,
): Promise<StagedManifest | undefined> {
  const session = await metadata.findSession(sessionId)
  const known = session && (await metadata.findKnownTree(session.projectId, tree.treeDigest, now()))
  if (known === undefined) return undefined
  const { exists, ...staged } = await metadata.stageManifest(sessionId, tree)
  // The manifest was removed in between; what was staged is removed with the session.
  if (!exists) return undefined
  return { ...staged, measured: await measureRepresentations(metadata, staged.manifestId) }
}

/** Checks that the staged times fit the number of entries, which the client announced when it sent
 *  them; otherwise the artifact could not be read.
 *  Errors: upload_incomplete. */
async function checkTimes(
  { metadata }: IngestPorts,
  sessionId: string,
  entryCount: number,
): Promise<void> {
  for (const { page, count } of manifestPages(entryCount)) {
    const bytes = await metadata.readStagedTimes(sessionId, page)
    if (bytes === undefined) continue
    try {
      readTimes(bytes, count)
    } catch {
      // The pages were readable when they were staged, so only their length is wrong.
      throw incomplete('times', 1)
    }
  }
}

/** Errors: upload_incomplete, digest_mismatch, length_mismatch. */
async function stageReceived(
  ports: IngestPorts,
  offer: Offer,
  signal: AbortSignal | undefined,
): Promise<StagedManifest> {
  await registerComposites(ports, offer.sessionId, signal)
  await ports.checkpoint?.('blobs-registered')
  try {
    return await stageOfferedTree(ports, offer, signal)
  } catch (error) {
    if (!hasCode(error, 'not_found')) throw error
    const missing = await claimOffered(ports, offer.sessionId)
    if (missing.length > 0) throw incomplete('blobs', missing.length)
    // Another upload brought what was missing; now it is leased.
    return await stageOfferedTree(ports, offer, signal)
  }
}
