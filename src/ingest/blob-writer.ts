/** Writes the blobs and streams of one upload to packs, each once.
 *
 *  1. Blobs gather in a batch; a full batch is looked up in one statement, which also takes the
 *     leases.
 *  2. Unknown blobs are deflated on the thread pool and appended to the open pack, in order.
 *  3. A full pack is sealed (durable) and only then registered, while the next batch gathers.
 *  4. `finish`, and `settle` when many composites are pending, seals the last pack and registers
 *     the composites, whose parts are all known by then.
 *  Memory: two batches, one of them deflated, the records of two packs, and the pending
 *  composites. */
import pLimit from 'p-limit'
import { type BlobFacts, type StreamKey, type StreamName, streamKey } from '../core/bytes/copy.ts'
import { crc32 } from '../core/bytes/crc32.ts'
import { type Digest, digestsFromBytes, digestOf } from '../core/bytes/digest.ts'
import { limits } from '../core/limits.ts'
import { encodeJoining } from '../packs/codec/codec.ts'
import type { PackBody } from '../packs/format/member-writer.ts'
import { checksOf } from '../packs/format/page-checks.ts'
import { addComposite } from './heal.ts'
import {
  type NewStream,
  type PackFiller,
  type PackFillerOptions,
  createPackFiller,
} from './pack-filler.ts'

export interface BlobWriter {
  /** Queues a blob of at most 1 MiB; `bytes` must not change afterwards. `joins`: it will be part
   *  of a composite. `level`, from 0 to 9, is the deflate level if the blob is new. */
  add(blob: QueuedBlob): Promise<void>
  /** Queues a blob made of parts, which `settle` registers; all parts must have been added by then.
   *  Returns true when so many are pending that the caller should call `settle`. */
  addComposite(composite: NewComposite): boolean
  /** Resolves when everything added is durable and registered. */
  settle(): Promise<void>
  /** Returns which of these streams need not be added, because they are stored or were added here.
   *  At most 1,000. */
  knownStreams(streams: Iterable<StreamName>): Promise<Map<StreamKey, BlobFacts>>
  /** Appends a foreign stream, verified by the caller, that `knownStreams` did not return. */
  addStream(stream: NewStream, body: PackBody): Promise<void>
  /** Whether a joining stream of this blob was added that the store may not know yet. */
  holdsJoining(digest: Digest): boolean
  /** Resolves when everything added is durable and registered. Returns the pack bytes that the
   *  upload added. */
  finish(): Promise<{ newBytes: number }>
  /** Drops the open pack. What is already registered stays until the session is aborted. */
  abort(): Promise<void>
}

export interface NewComposite extends BlobFacts {
  /** Their digests, in order. */
  parts: Buffer
}

interface QueuedBlob {
  digest: Digest
  bytes: Buffer
  level: number
  joins: boolean
}

/** Deflate runs on libuv's four threads; more jobs in flight would only hold memory. */
const deflateConcurrency = 4

export function createBlobWriter(options: PackFillerOptions): BlobWriter {
  const { metadata, sessionId } = options
  const filler = createPackFiller(options)
  let composites: NewComposite[] = []
  let partsBytes = 0
  let batch = emptyBatch()
  let flushing: Promise<void> = Promise.resolve()

  /** Waits for the batch in flight, then starts the gathered one. */
  const startFlush = async (): Promise<void> => {
    await flushing
    const { blobs } = batch
    batch = emptyBatch()
    if (blobs.size === 0) return
    flushing = storeBatch(blobs, filler, options)
    flushing.catch(() => {})
  }

  const settle = async (): Promise<{ newBytes: number }> => {
    await startFlush()
    await flushing
    const added = await filler.finish()
    const settled = composites
    composites = []
    partsBytes = 0
    for (const composite of settled) {
      const parts = digestsFromBytes(composite.parts)
      await addComposite(metadata, sessionId, { ...composite, parts })
    }
    return added
  }

  return {
    add: async (blob) => {
      const queued = batch.blobs.get(blob.digest)
      if (queued !== undefined) {
        queued.joins ||= blob.joins
        return
      }
      batch.blobs.set(blob.digest, { ...blob })
      batch.bytes += blob.bytes.length
      if (batch.blobs.size >= limits.ingestBatchBlobs || batch.bytes >= limits.ingestBatchBytes) {
        await startFlush()
      }
    },
    addComposite: (composite) => {
      composites.push(composite)
      partsBytes += composite.parts.length
      return (
        composites.length >= limits.compositesWaitingMax || partsBytes >= limits.partsWaitingBytes
      )
    },
    settle: async () => {
      await settle()
    },
    knownStreams: async (streams) => {
      await flushing
      const known = new Map<StreamKey, BlobFacts>()
      const ask = new Set<Digest>()
      for (const stream of streams) {
        const held = filler.heldStream(streamKey(stream))
        if (held === undefined) ask.add(stream.streamDigest)
        else known.set(streamKey(stream), held)
      }
      for (const stream of await metadata.claimStreams(sessionId, [...ask])) {
        known.set(streamKey(stream), stream.blob)
      }
      return known
    },
    addStream: async (stream, body) => {
      await flushing
      await filler.append(stream, body)
    },
    holdsJoining: (digest) => filler.holdsJoining(digest),
    finish: async () => {
      const added = await settle()
      await options.checkpoint?.('blobs-registered')
      return added
    },
    abort: async () => {
      await flushing.catch(() => {})
      await filler.abort()
    },
  }
}

/** Looks up a batch, which takes the leases, and appends the unknown blobs. */
async function storeBatch(
  blobs: Map<Digest, QueuedBlob>,
  filler: PackFiller,
  { metadata, sessionId }: PackFillerOptions,
): Promise<void> {
  const candidates = [...blobs.values()].filter((blob) => !filler.holdsJoining(blob.digest))
  const digests = candidates.map((candidate) => candidate.digest)
  const known = new Set<Digest>()
  for (const blob of await metadata.claimBlobs(sessionId, digests)) {
    if (blob.joins || blobs.get(blob.digest)?.joins === false) known.add(blob.digest)
  }
  const unknown = candidates.filter((blob) => !known.has(blob.digest))
  const limit = pLimit(deflateConcurrency)
  const encoded = await Promise.all(
    unknown.map(async (blob) => await limit(() => encodeJoining(blob.bytes, blob.level))),
  )
  for (const [index, blob] of unknown.entries()) {
    const stream = encoded[index]!
    const { digest, bytes } = blob
    const facts = { digest, sizeBytes: bytes.length, crc32: crc32(bytes) }
    await filler.append(joiningStream(facts, stream), stream)
  }
}

/** The record to register for a blob's joining stream. */
export function joiningStream(
  { digest, sizeBytes, crc32: crc }: BlobFacts,
  stream: Buffer,
): NewStream {
  return {
    blob: { digest, sizeBytes, crc32: crc },
    streamDigest: digestOf(stream),
    codec: 'joining',
    lengthBytes: stream.length,
    checks: checksOf(stream),
  }
}

function emptyBatch(): { blobs: Map<Digest, QueuedBlob>; bytes: number } {
  return { blobs: new Map(), bytes: 0 }
}
