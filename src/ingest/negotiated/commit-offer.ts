/** The end of a negotiated upload: large files are checked against their own digest, the manifest refers to what the
 *  session has leased, and the artifact becomes visible. Holds one page of entries at a time. */
import { hasCode } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { createManifestHasher } from '../../core/manifest.ts'
import {
  createRepresentationMeter,
  measureRepresentations,
  type RepresentationLengths,
} from '../../egress/measure.ts'
import type { Published } from '../publish.ts'
import type { IngestPorts } from '../session.ts'
import type { OfferedArtifact } from './job.ts'
import { incomplete } from './incomplete.ts'
import { readOfferedPages, readSummary } from './offered-entries.ts'
import { claimOffered } from './receive-manifest.ts'
import { registerComposites } from './register-composites.ts'

/** Errors: upload_incomplete, digest_mismatch, length_mismatch, name_taken, session_ended. */
export async function commitOffer(
  ports: IngestPorts,
  offer: OfferedArtifact & { sessionId: string },
  signal: AbortSignal | undefined,
): Promise<Published> {
  const { metadata, checkpoint } = ports
  const { sessionId, treeDigest, ...artifact } = offer
  await metadata.renewSession(sessionId, ports.now(), limits.leaseMs)
  const { manifestId, measured } =
    (await findKnownManifest(ports, offer)) ?? (await stageWhole(ports, offer, signal))
  await checkpoint?.('manifest-staged')
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

interface StagedManifest {
  manifestId: number
  measured: RepresentationLengths
}

/** A tree that the project knows needs no entries. The lease is taken by the statement that finds it. */
async function findKnownManifest(
  { metadata, now }: IngestPorts,
  { sessionId, treeDigest }: OfferedArtifact & { sessionId: string },
): Promise<StagedManifest | undefined> {
  const session = await metadata.findSession(sessionId)
  const known = session && (await metadata.findKnownTree(session.projectId, treeDigest, now()))
  if (known === undefined) return undefined
  const { manifestId, exists } = await metadata.stageManifest(sessionId, {
    treeDigest,
    entryCount: 0,
    fileCount: 0,
    logicalBytes: 0,
  })
  // Whatever was found has gone in between; what was staged goes with the session.
  if (!exists) return undefined
  return { manifestId, measured: await measureRepresentations(metadata, manifestId) }
}

/** Errors: upload_incomplete, digest_mismatch, length_mismatch. */
async function stageWhole(
  ports: IngestPorts,
  offer: OfferedArtifact & { sessionId: string },
  signal: AbortSignal | undefined,
): Promise<StagedManifest> {
  await registerComposites(ports, offer.sessionId, signal)
  await ports.checkpoint?.('blobs-registered')
  try {
    return await stageEntries(ports, offer, signal)
  } catch (error) {
    if (!hasCode(error, 'not_found')) throw error
    const missing = await claimOffered(ports, offer.sessionId)
    if (missing.length > 0) throw incomplete('blobs', missing.length)
    // Another upload brought what was missing; now it is leased.
    return await stageEntries(ports, offer, signal)
  }
}

/** Errors: upload_incomplete (the manifest), not_found (a blob that the session has not leased), length_mismatch. */
async function stageEntries(
  { metadata }: IngestPorts,
  { sessionId, treeDigest }: OfferedArtifact & { sessionId: string },
  signal: AbortSignal | undefined,
): Promise<StagedManifest> {
  const summary = await readSummary(metadata, sessionId)
  if (summary?.treeDigest !== treeDigest) throw incomplete('manifest', 1)
  const { manifestId, exists } = await metadata.stageManifest(sessionId, summary)
  if (exists) return { manifestId, measured: await measureRepresentations(metadata, manifestId) }
  const hasher = createManifestHasher()
  const meter = createRepresentationMeter()
  let page = 0
  for await (const { entries, lines } of readOfferedPages(metadata, sessionId)) {
    signal?.throwIfAborted()
    for (const [index, entry] of entries.entries()) hasher.add(entry, lines[index])
    for (let first = 0; first < entries.length; first += limits.manifestPageEntries) {
      const batch = entries.slice(first, first + limits.manifestPageEntries)
      meter.add(await metadata.stageManifestPage(sessionId, manifestId, page, batch))
      page += 1
    }
  }
  // Pages can be sent once more at any time, by a client that has gone wrong.
  if (hasher.summary().treeDigest !== treeDigest) throw incomplete('manifest', 1)
  return { manifestId, measured: meter.lengths() }
}
