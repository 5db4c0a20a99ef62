/** The end of a negotiated upload: whatever the manifest names is claimed once more, large files are checked against
 *  their own digest, and the artifact becomes visible. Holds one page of entries at a time. */
import { limits } from '../../core/limits.ts'
import { createManifestHasher, type ManifestSummary } from '../../core/manifest.ts'
import { measureRepresentations } from '../../egress/measure.ts'
import type { Published } from '../publish.ts'
import type { IngestPorts } from '../session.ts'
import type { OfferedArtifact } from './job.ts'
import { incomplete } from './incomplete.ts'
import { readOfferedPages } from './offered-entries.ts'
import { createClaims } from './receive-manifest.ts'
import { registerComposites } from './register-composites.ts'

/** Errors: upload_incomplete, digest_mismatch, name_taken, session_ended. */
export async function commitOffer(
  ports: IngestPorts,
  offer: OfferedArtifact & { sessionId: string },
  signal: AbortSignal | undefined,
): Promise<Published> {
  const { metadata, checkpoint } = ports
  const { sessionId, treeDigest, ...artifact } = offer
  await metadata.renewSession(sessionId, ports.now(), limits.leaseMs)
  const known = await findKnownManifest(ports, offer)
  const manifestId = known ?? (await stageEntries(ports, offer, signal))
  await checkpoint?.('manifest-staged')
  const measured = await measureRepresentations(metadata, manifestId)
  const newBytes = await metadata.sessionPackBytes(sessionId)
  await checkpoint?.('commit-next')
  const published = await metadata.commitArtifact(sessionId, {
    ...artifact,
    kind: 'tree',
    mimeType: 'application/zip',
    fileName: null,
    opaqueReason: null,
    manifestId,
    zipDigest: null,
    ...measured,
    newBytes,
    uploadId: null,
  })
  await checkpoint?.('committed')
  return published
}

/** A tree that the project knows needs no entries. The lease is taken by the statement that finds it. */
async function findKnownManifest(
  { metadata, now }: IngestPorts,
  { sessionId, treeDigest }: OfferedArtifact & { sessionId: string },
): Promise<number | undefined> {
  const session = await metadata.findSession(sessionId)
  const known = session && (await metadata.findKnownTree(session.projectId, treeDigest, now()))
  if (known === undefined) return undefined
  const staged = await metadata.stageManifest(sessionId, {
    treeDigest,
    entryCount: 0,
    fileCount: 0,
    logicalBytes: 0,
  })
  // Whatever was found has gone in between; what was staged goes with the session.
  return staged.exists ? staged.manifestId : undefined
}

async function stageEntries(
  ports: IngestPorts,
  offer: OfferedArtifact & { sessionId: string },
  signal: AbortSignal | undefined,
): Promise<number> {
  const { metadata } = ports
  const { sessionId } = offer
  await registerComposites(ports, sessionId, signal)
  const summary = await claimAll(ports, offer)
  await ports.checkpoint?.('blobs-registered')
  const { manifestId, exists } = await metadata.stageManifest(sessionId, summary)
  if (exists) return manifestId
  let page = 0
  for await (const { entries } of readOfferedPages(metadata, sessionId)) {
    signal?.throwIfAborted()
    for (let first = 0; first < entries.length; first += limits.manifestPageEntries) {
      const batch = entries.slice(first, first + limits.manifestPageEntries)
      await metadata.stageManifestPage(sessionId, manifestId, page, batch)
      page += 1
    }
  }
  return manifestId
}

/** Leases every file's blob. Errors: upload_incomplete. */
async function claimAll(
  ports: IngestPorts,
  { sessionId, treeDigest }: OfferedArtifact & { sessionId: string },
): Promise<ManifestSummary> {
  const hasher = createManifestHasher()
  const claims = createClaims(ports, sessionId)
  let ordinal = 0
  for await (const { entries, lines } of readOfferedPages(ports.metadata, sessionId)) {
    for (const [index, entry] of entries.entries()) {
      hasher.add(entry, lines[index])
      if (entry.kind === 'file') await claims.add(ordinal, entry)
      ordinal += 1
    }
  }
  const summary = hasher.summary()
  if (summary.treeDigest !== treeDigest) throw incomplete('manifest', 1)
  const missing = await claims.missing()
  if (missing.length > 0) throw incomplete('blobs', missing.length)
  return summary
}
