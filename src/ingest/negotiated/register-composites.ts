/** Large files that a client offered: each is assembled from its parts and must match the digest
 *  that it was offered under before anything can refer to it. Holds about a megabyte of streams for
 *  each of a few files. */
import pLimit from 'p-limit'
import type { Composite } from '../../core/bytes/copy.ts'
import { combineCrc32 } from '../../core/bytes/crc32.ts'
import { createDigestHasher, type Digest } from '../../core/bytes/digest.ts'
import { digestMismatch } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { batchesOf, slicesOf } from '../../core/slices.ts'
import { withReadLease } from '../../egress/read-lease.ts'
import { decodeJoined } from '../../packs/codec/codec.ts'
import { byteBudget } from '../byte-budget.ts'
import { addComposite } from '../heal.ts'
import type { IngestPorts } from '../session.ts'
import { incomplete } from './incomplete.ts'
import { readParts } from './read-parts.ts'
import { decodeComposites } from './receive-parts.ts'

/** Registers the offered large files that are not known yet, once their bytes match their digest.
 *  Damaged parts count as missing from then on; all of them are found before the client is told, so
 *  that it can send them at once. Assembles no more bytes than an artifact may hold, because a
 *  short list of parts can stand for very many.
 *  Errors: upload_incomplete, digest_mismatch, too_large. */
export async function registerComposites(
  ports: IngestPorts,
  sessionId: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { metadata } = ports
  const damaged = new Set<number>()
  const budget = byteBudget(ports.settings.artifactBytesMax)
  for (let page = 0; ; page++) {
    const bytes = await metadata.readOffered(sessionId, 'composites', page)
    if (bytes === undefined) break
    const composites = await withoutKnown(ports, sessionId, decodeComposites(bytes))
    const missing = await countMissingParts(ports, sessionId, composites)
    if (missing > 0) throw incomplete('blobs', missing)
    if (composites.length === 0) continue
    for (const { sizeBytes } of composites) budget.count(sizeBytes)
    // One lease for everything that is read back, because each lease waits for the disk twice.
    await withReadLease(ports, async () => {
      await forEachLimited(composites, async (composite) => {
        signal?.throwIfAborted()
        const bad = await verifyComposite(ports, { sessionId, signal }, composite)
        for (const streamId of bad) damaged.add(streamId)
        if (bad.size === 0) await addComposite(metadata, sessionId, composite)
      })
    })
  }
  if (damaged.size > 0) throw incomplete('blobs', damaged.size)
}

/** Returns the composites that are not known yet, and leases the others. Most are known, because
 *  files sent whole are registered as they arrive. */
async function withoutKnown(
  { metadata }: IngestPorts,
  sessionId: string,
  composites: readonly Composite[],
): Promise<Composite[]> {
  const known = new Set<Digest>()
  for (const digests of distinct(composites.map((composite) => composite.digest))) {
    for (const { digest } of await metadata.claimReadableBlobs(sessionId, digests))
      known.add(digest)
  }
  return composites.filter((composite) => !known.has(composite.digest))
}

async function countMissingParts(
  { metadata }: IngestPorts,
  sessionId: string,
  composites: readonly Composite[],
): Promise<number> {
  let missing = 0
  for (const digests of distinct(composites.flatMap((composite) => composite.parts))) {
    const known = await metadata.claimReadableBlobs(sessionId, digests)
    missing += digests.length - known.filter((blob) => blob.joins).length
  }
  return missing
}

/** Distinct digests, as many as one transaction takes at a time. */
function distinct(digests: readonly Digest[]): Iterable<Digest[]> {
  return slicesOf([...new Set(digests)], limits.transactionRowsMax)
}

/** Composites in progress: some are read while this thread inflates and hashes one. */
const compositesAtOnce = 3

/** Runs `work` for a few items at a time. Rejects with the first failure, once nothing is in
 *  flight. */
async function forEachLimited<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
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

/** Parts of one composite that are looked up at a time, and content of it that is in memory. */
const atOnce = { count: 64, bytes: 1024 * 1024 }

/** Returns the damaged streams of the composite's parts; empty when the composite is as announced.
 *  Errors: digest_mismatch, after which the composite is dropped, so that a corrected upload can
 *  continue. */
async function verifyComposite(
  ports: IngestPorts,
  { sessionId, signal }: { sessionId: string; signal: AbortSignal | undefined },
  composite: Composite,
): Promise<ReadonlySet<number>> {
  const hasher = createDigestHasher()
  let crc = 0
  let sizeBytes = 0
  const damaged = new Set<number>()
  for (const batch of slicesOf(composite.parts, atOnce.count)) {
    // Once longer than announced it cannot match, whatever follows.
    if (sizeBytes > composite.sizeBytes) break
    signal?.throwIfAborted()
    const found = await ports.metadata.readJoiningParts(batch)
    for (const parts of batchesOf(found, (part) => part.sizeBytes, atOnce)) {
      const read = await readParts(ports, parts)
      for (const streamId of read.damaged) damaged.add(streamId)
      // The rest can no longer match, but more of it may be damaged.
      if (damaged.size > 0) continue
      const contentBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
      hasher.update(await decodeJoined(read.streams, contentBytes))
      for (const part of parts) crc = combineCrc32(crc, part.crc32, part.sizeBytes)
      sizeBytes += contentBytes
    }
  }
  if (damaged.size > 0) return damaged
  const actual = hasher.digest()
  if (actual === composite.digest && crc === composite.crc32 && sizeBytes === composite.sizeBytes)
    return damaged
  await ports.metadata.dropOffered(sessionId, 'composites', 0)
  throw digestMismatch('the parts of a file do not match its digest', composite.digest, actual)
}
