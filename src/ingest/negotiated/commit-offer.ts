/** The end of a negotiated upload: whatever the manifest names is claimed once more, large files are checked against
 *  their own digest, and the artifact becomes visible. Holds one page of entries at a time. */
import pLimit from 'p-limit'
import type { OfferedComposite } from '../../core/blob-exchange.ts'
import type { Part } from '../../core/copy.ts'
import { combineCrc32 } from '../../core/crc32.ts'
import { createDigestHasher } from '../../core/digest.ts'
import { storeError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { createManifestHasher, type ManifestSummary } from '../../core/manifest.ts'
import { measureRepresentations } from '../../egress/measure.ts'
import { withReadLease } from '../../egress/read-lease.ts'
import { decodeJoining } from '../../packs/codec.ts'
import { addComposite } from '../heal.ts'
import type { Published } from '../publish.ts'
import type { IngestPorts } from '../session.ts'
import type { OfferedArtifact } from './job.ts'
import { readOfferedPages } from './offered-entries.ts'
import { createClaims } from './receive-manifest.ts'
import { decodeComposites } from './receive-parts.ts'

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
  // One lease for all that is read back: each is a transaction, and waits for the disk.
  await withReadLease(ports, async () => await registerComposites(ports, sessionId, signal))
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

function incomplete(what: 'manifest' | 'blobs', missing: number): Error {
  const told =
    what === 'manifest' ? 'its manifest has not been sent' : `${missing} files have not been sent`
  return storeError('upload_incomplete', `the upload is not complete: ${told}`, { what, missing })
}

/** Registers the large files that were offered and are not known yet, once their bytes prove their digest. */
async function registerComposites(
  ports: IngestPorts,
  sessionId: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { metadata } = ports
  for (let page = 0; ; page++) {
    const bytes = await metadata.readOffered(sessionId, 'composites', page)
    if (bytes === undefined) return
    await eachOf(decodeComposites(bytes), async (composite) => {
      signal?.throwIfAborted()
      const [known] = await metadata.claimReadableBlobs(sessionId, [composite.digest])
      if (known !== undefined) return
      const missing = await countMissingParts(ports, sessionId, composite)
      if (missing > 0) throw incomplete('blobs', missing)
      await verifyComposite(ports, sessionId, composite)
      await addComposite(metadata, sessionId, composite)
    })
  }
}

/** Composites of which some are read while this thread inflates and hashes one. */
const compositesAtOnce = 3

/** Does `work` for a few at a time. Rejects with the first failure, once nothing is under way any more. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const limit = pLimit(compositesAtOnce)
  let failure: { error: unknown } | undefined
  const run = async (item: T): Promise<void> => {
    if (failure !== undefined) return
    await work(item).catch((error: unknown) => {
      failure ??= { error }
    })
  }
  await Promise.all(items.map(async (item) => await limit(run, item)))
  if (failure !== undefined) throw failure.error
}

async function countMissingParts(
  { metadata }: IngestPorts,
  sessionId: string,
  { parts }: OfferedComposite,
): Promise<number> {
  let missing = 0
  for (let first = 0; first < parts.length; first += limits.transactionRowsMax) {
    const batch = [...new Set(parts.slice(first, first + limits.transactionRowsMax))]
    const known = await metadata.claimReadableBlobs(sessionId, batch)
    missing += batch.length - known.filter((blob) => blob.joins).length
  }
  return missing
}

/** Parts read at a time, about a megabyte; then this thread inflates and hashes them. */
const partsAtOnce = 16

/** Where contents pass through, one at a time: nothing waits between inflating and hashing one. */
let scratch = Buffer.alloc(0)

/** Errors: digest_mismatch, after which the composite is forgotten, so that a corrected upload can go on. */
async function verifyComposite(
  ports: IngestPorts,
  sessionId: string,
  composite: OfferedComposite,
): Promise<void> {
  const hasher = createDigestHasher()
  let crc = 0
  let sizeBytes = 0
  for (let first = 0; first < composite.parts.length; first += partsAtOnce) {
    const batch = composite.parts.slice(first, first + partsAtOnce)
    const parts = await ports.metadata.readJoiningParts(batch)
    const streams = await readStreams(ports, parts)
    for (const [index, part] of parts.entries()) {
      if (part.sizeBytes >= scratch.length)
        scratch = Buffer.allocUnsafeSlow(Math.max(limits.coarseChunkMaxBytes, part.sizeBytes) + 1)
      const content = decodeJoining(scratch, streams[index]!, part.sizeBytes)
      hasher.update(content)
      crc = combineCrc32(crc, part.crc32, content.length)
      sizeBytes += content.length
    }
  }
  const actual = hasher.digest()
  if (actual === composite.digest && crc === composite.crc32 && sizeBytes === composite.sizeBytes)
    return
  await ports.metadata.dropOffered(sessionId, 'composites', 0)
  throw storeError(
    'digest_mismatch',
    `the parts of a file do not make its digest: expected ${composite.digest}, got ${actual}`,
    {
      expected: composite.digest,
      actual,
    },
  )
}

/** What lies no further apart is read at once: a system call costs as much as reading this much. */
const gapBytesMax = 16 * 1024

/** Streams of parts, in their order. Those of one file were mostly sent in a row, and lie so in their pack. */
async function readStreams({ packs }: IngestPorts, parts: readonly Part[]): Promise<Buffer[]> {
  const byPlace = parts
    .map(({ copy }, index) => ({ ...copy, index }))
    .toSorted((a, b) =>
      a.packName === b.packName ? a.offset - b.offset : a.packName < b.packName ? -1 : 1,
    )
  const streams = Array<Buffer>(parts.length)
  for (let first = 0; first < byPlace.length;) {
    const { packName, offset } = byPlace[first]!
    let end = offset
    let next = first
    for (; next < byPlace.length; next++) {
      const place = byPlace[next]!
      if (place.packName !== packName || place.offset > end + gapBytesMax) break
      end = Math.max(end, place.offset + place.lengthBytes)
    }
    const bytes = await packs.read(packName, offset, end - offset)
    for (const place of byPlace.slice(first, next)) {
      const at = place.offset - offset
      streams[place.index] = bytes.subarray(at, at + place.lengthBytes)
    }
    first = next
  }
  return streams
}
