/** Puts blobs and streams of one upload into packs, each once.
 *
 *  1. Blobs gather in a batch; a full batch is looked up in one statement, which also takes the leases.
 *  2. What is unknown is deflated on the thread pool and appended to the open pack, in order.
 *  3. A full pack is sealed (durable) and only then registered, while the next batch gathers.
 *  4. `finish` seals the last pack and registers composites, whose parts are all known by then.
 *  Memory: two batches, one of them deflated, and the records of two packs. */
import pLimit from 'p-limit'
import { type Copy, type CopyCodec } from '../core/copy.ts'
import { crc32 } from '../core/crc32.ts'
import { type Digest, digestFromBytes, digestOf } from '../core/digest.ts'
import { limits } from '../core/limits.ts'
import type { Metadata, NewCopy } from '../metadata/metadata.ts'
import { checksOf, encodeJoining } from '../packs/codec.ts'
import { healBlobs } from './heal.ts'
import { type PackWriter, openPackWriter } from '../packs/pack-format.ts'
import type { PackStore } from '../packs/pack-store.ts'

export interface BlobWriter {
  /** Queues a blob of at most 1 MiB; `bytes` must not change afterwards. `joins`: it will be part of a composite.
   *  `level` 0 to 9 is the deflate level should it be new. */
  add(blob: { digest: Digest; bytes: Buffer; level: number; joins: boolean }): Promise<void>
  /** Registers, at `finish`, a blob made of parts that were all added here. `parts` holds 32 bytes each. */
  addComposite(composite: { digest: Digest; sizeBytes: number; crc32: number; parts: Buffer }): void
  /** Of these streams, the ones that need not be added: stored before, or added here already. At most 1,000. */
  knownStreams(
    digests: Digest[],
  ): Promise<Map<Digest, { digest: Digest; sizeBytes: number; crc32: number }>>
  /** Appends a foreign stream, verified by the caller, that `knownStreams` did not answer. */
  addStream(
    stream: Pick<NewCopy, 'blob' | 'streamDigest' | 'codec' | 'lengthBytes' | 'checks'>,
    body: Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<void>
  /** Resolves when everything added is durable and registered. Answers the pack bytes that the upload added. */
  finish(): Promise<{ newBytes: number }>
  /** Drops the open pack. What is registered stays until the session is aborted. */
  abort(): Promise<void>
}

export interface BlobWriterOptions {
  metadata: Metadata
  packs: PackStore
  sessionId: string
  checkpoint?: ((name: string) => void | Promise<void>) | undefined
}

interface QueuedBlob {
  digest: Digest
  bytes: Buffer
  level: number
  joins: boolean
}

/** A pack being filled: its writer, and what is in it but not yet registered. */
interface OpenPack {
  writer: PackWriter
  copies: NewCopy[]
  joining: Set<Digest>
  streams: Map<Digest, NewCopy['blob']>
}

/** Deflate runs on libuv's four threads; more in flight only holds memory. */
const deflateConcurrency = 4

export function createBlobWriter(options: BlobWriterOptions): BlobWriter {
  const { metadata, packs, sessionId } = options
  const limit = pLimit(deflateConcurrency)
  const composites: { digest: Digest; sizeBytes: number; crc32: number; parts: Buffer }[] = []
  let batch = emptyBatch()
  let flushing: Promise<void> = Promise.resolve()
  let open: OpenPack | undefined
  let sealing: { pack: OpenPack; done: Promise<void> } | undefined
  let newBytes = 0

  const current = async (): Promise<OpenPack> => {
    open ??= {
      writer: await openPackWriter(packs),
      copies: [],
      joining: new Set(),
      streams: new Map(),
    }
    return open
  }

  const settleSealing = async (): Promise<void> => {
    const { done } = sealing ?? {}
    await done
    sealing = undefined
  }

  /** Hands the open pack to sealing; the next one can be filled meanwhile. */
  const rotate = async (): Promise<void> => {
    await settleSealing()
    const pack = open
    if (pack === undefined) return
    open = undefined
    const done = sealAndRegister(pack)
    // The failure is met by whoever awaits `sealing`; without this it would also count as unhandled.
    done.catch(() => {})
    sealing = { pack, done }
  }

  const sealAndRegister = async (pack: OpenPack): Promise<void> => {
    await options.checkpoint?.('pack-filled')
    const sealed = await pack.writer.seal()
    newBytes += sealed.sizeBytes
    await options.checkpoint?.('pack-sealed')
    await metadata.addPack(sessionId, sealed, pack.copies)
    // What this pack brings in another form than the damaged one must be readable before a manifest refers to it.
    await healBlobs(metadata)
    await options.checkpoint?.('pack-registered')
  }

  const append = async (
    copy: Omit<NewCopy, 'offset'>,
    body: Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<void> => {
    const pack = await current()
    const { offset } = await pack.writer.append(
      {
        blobDigest: copy.blob.digest,
        codec: copy.codec,
        crc32: copy.blob.crc32,
        sizeBytes: copy.blob.sizeBytes,
        lengthBytes: copy.lengthBytes,
      },
      body,
    )
    pack.copies.push({ ...copy, offset })
    pack.streams.set(copy.streamDigest, copy.blob)
    if (copy.codec === 'joining') pack.joining.add(copy.blob.digest)
    const { bytesWritten, memberCount } = pack.writer
    if (bytesWritten >= limits.packTargetBytes || memberCount >= limits.packMembersMax) {
      await rotate()
    }
  }

  const inUnregisteredPack = (digest: Digest): boolean =>
    open?.joining.has(digest) === true || sealing?.pack.joining.has(digest) === true

  const flush = async (blobs: Map<Digest, QueuedBlob>): Promise<void> => {
    const candidates = [...blobs.values()].filter((blob) => !inUnregisteredPack(blob.digest))
    const known = new Set<Digest>()
    for (const blob of await metadata.claimBlobs(
      sessionId,
      candidates.map((candidate) => candidate.digest),
    )) {
      if (blob.joins || blobs.get(blob.digest)?.joins === false) known.add(blob.digest)
    }
    const unknown = candidates.filter((blob) => !known.has(blob.digest))
    const encoded = await Promise.all(
      unknown.map((blob) => limit(() => encodeJoining(blob.bytes, blob.level))),
    )
    for (const [index, blob] of unknown.entries()) {
      const stream = encoded[index]!
      await append(
        {
          blob: { digest: blob.digest, sizeBytes: blob.bytes.length, crc32: crc32(blob.bytes) },
          streamDigest: digestOf(stream),
          codec: 'joining' satisfies CopyCodec,
          lengthBytes: stream.length,
          checks: checksOf(stream) satisfies Copy['checks'],
        },
        stream,
      )
    }
  }

  /** Waits for the batch under way, then starts the gathered one. */
  const startFlush = async (): Promise<void> => {
    await flushing
    const { blobs } = batch
    batch = emptyBatch()
    if (blobs.size === 0) return
    flushing = flush(blobs)
    flushing.catch(() => {})
  }

  const settle = async (): Promise<void> => {
    await startFlush()
    await flushing
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
    },
    knownStreams: async (digests) => {
      await flushing
      const known = new Map<Digest, NewCopy['blob']>()
      const ask: Digest[] = []
      for (const digest of digests) {
        const here = open?.streams.get(digest) ?? sealing?.pack.streams.get(digest)
        if (here === undefined) ask.push(digest)
        else known.set(digest, here)
      }
      for (const stream of await metadata.claimStreams(sessionId, ask)) {
        known.set(stream.streamDigest, stream.blob)
      }
      return known
    },
    addStream: async (stream, body) => {
      await flushing
      await append(stream, body)
    },
    finish: async () => {
      await settle()
      await rotate()
      await settleSealing()
      for (const composite of composites) {
        const parts: Digest[] = []
        for (let at = 0; at < composite.parts.length; at += 32) {
          parts.push(digestFromBytes(composite.parts.subarray(at, at + 32)))
        }
        await metadata.addComposite(sessionId, { ...composite, parts })
      }
      await options.checkpoint?.('blobs-registered')
      return { newBytes }
    },
    abort: async () => {
      await Promise.allSettled([flushing, sealing?.done])
      await open?.writer.abort()
    },
  }
}

function emptyBatch(): { blobs: Map<Digest, QueuedBlob>; bytes: number } {
  return { blobs: new Map(), bytes: 0 }
}
