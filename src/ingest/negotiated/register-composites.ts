/** Large files that a client offered: each is put together from its parts and must have the digest that it was offered
 *  under, before anything can refer to it. Holds about a megabyte of streams for each of a few files. */
import pLimit from 'p-limit'
import type { OfferedComposite } from '../../core/blob-exchange.ts'
import type { Part } from '../../core/copy.ts'
import { combineCrc32 } from '../../core/crc32.ts'
import { createDigestHasher } from '../../core/digest.ts'
import { storeError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { withReadLease } from '../../egress/read-lease.ts'
import { decodeJoining } from '../../packs/codec.ts'
import { addComposite } from '../heal.ts'
import type { IngestPorts } from '../session.ts'
import { incomplete } from './incomplete.ts'
import { decodeComposites } from './receive-parts.ts'

/** Registers the large files that were offered and are not known yet, once their bytes prove their digest. */
export async function registerComposites(
  ports: IngestPorts,
  sessionId: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { metadata } = ports
  for (let page = 0; ; page++) {
    const bytes = await metadata.readOffered(sessionId, 'composites', page)
    if (bytes === undefined) return
    // One lease for all that is read back, since each waits for the disk twice; none where no large file was offered.
    await withReadLease(ports, async () => {
      await eachOf(decodeComposites(bytes), async (composite) => {
        signal?.throwIfAborted()
        await registerComposite(ports, sessionId, composite)
      })
    })
  }
}

async function registerComposite(
  ports: IngestPorts,
  sessionId: string,
  composite: OfferedComposite,
): Promise<void> {
  const { metadata } = ports
  const [known] = await metadata.claimReadableBlobs(sessionId, [composite.digest])
  if (known !== undefined) return
  const missing = await countMissingParts(ports, sessionId, composite)
  if (missing > 0) throw incomplete('blobs', missing)
  await verifyComposite(ports, sessionId, composite)
  await addComposite(metadata, sessionId, composite)
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
