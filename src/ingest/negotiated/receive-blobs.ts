/** Blobs that a client sends, already deflated. Each is inflated and hashed, and gets the digest of
 *  its bytes whatever the client intended, so that nobody can store bytes under a wrong digest.
 *  Blobs that arrived completely are kept even if the rest of the request does not arrive. */
import type { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { recordHeadBytesMax, recordKind } from '../../core/bytes/blob-exchange.ts'
import type { BlobFacts } from '../../core/bytes/copy.ts'
import { combineCrc32, crc32 } from '../../core/bytes/crc32.ts'
import {
  createDigestHasher,
  type Digest,
  type DigestHasher,
  digestOf,
  digestToBytes,
} from '../../core/bytes/digest.ts'
import { hasCode, invalidRequest } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { createByteReader, createByteWriter } from '../../core/bytes/varint.ts'
import { decodeJoining } from '../../packs/codec/codec.ts'
import {
  type BlobWriter,
  createBlobWriter,
  joiningStream,
  type NewComposite,
} from '../blob-writer.ts'
import type { IngestPorts } from '../session.ts'
import { asMalformed, type BodyBytes, openBodyBytes } from '../body-bytes.ts'

/** A blob that was verified. */
interface ReceivedBlob extends BlobFacts {
  stream: Buffer
}

/** Upper bound on the parts of a large file that is sent whole: some 16 GiB, and 16 MB of
 *  memory. */
const partsMax = 500_000
/** Stream bytes per batch of blobs that are looked up and written together. */
const batchBytes = 2 * 1024 * 1024

/** Resolves when every blob of the body is durable, registered, and leased by the session.
 *  Errors: invalid_request, storage_full, and those of `body`. */
export async function receiveBlobs(
  ports: IngestPorts,
  { sessionId }: { sessionId: string },
  body: Readable,
): Promise<{ blobs: number; newBytes: number }> {
  await ports.metadata.renewSession(sessionId, ports.now(), limits.leaseMs)
  const writer = createBlobWriter({ ...ports, sessionId })
  const target = createTarget(ports, sessionId, writer)
  try {
    await receiveRecords(openBodyBytes(body), target)
  } catch (error) {
    // The client is told of the error, or is gone; complete blobs need not be sent again.
    await target.finish().catch(() => {})
    throw error
  }
  return await target.finish()
}

interface Target {
  /** Adds a blob; returns true when the batch is full and should be flushed. */
  add(blob: ReceivedBlob): boolean
  flush(): Promise<void>
  composite(composite: NewComposite): Promise<void>
  /** On failure, leaves nothing unregistered behind. */
  finish(): Promise<{ blobs: number; newBytes: number }>
}

function createTarget(ports: IngestPorts, sessionId: string, writer: BlobWriter): Target {
  let blobs = 0
  let batch: ReceivedBlob[] = []
  let pendingBytes = 0
  const flush = async (): Promise<void> => {
    const received = batch
    batch = []
    pendingBytes = 0
    if (received.length === 0) return
    // Sending the bytes proves possession, so the project may refer to whatever the store has of
    // them.
    const digests = received.map((blob) => blob.digest)
    const known = await ports.metadata.claimBlobs(sessionId, digests)
    const joining = new Set<Digest>(known.filter((blob) => blob.joins).map((blob) => blob.digest))
    for (const blob of received) {
      // A request of any length may contain a blob twice, so what was written is remembered until
      // it can be claimed.
      if (!joining.has(blob.digest) && !writer.holdsJoining(blob.digest))
        await writer.addStream(joiningStream(blob, blob.stream), blob.stream)
    }
  }
  return {
    add: (blob) => {
      blobs += 1
      batch.push(blob)
      pendingBytes += blob.stream.length
      return batch.length >= limits.ingestBatchBlobs || pendingBytes >= batchBytes
    },
    flush,
    composite: async (composite) => {
      if (!writer.addComposite(composite)) return
      await flush()
      await writer.settle()
    },
    finish: async () => {
      try {
        await flush()
        const { newBytes } = await writer.finish()
        return { blobs, newBytes }
      } catch (error) {
        await writer.abort()
        throw error
      }
    },
  }
}

/** After this much work other jobs of the thread get a turn: some six milliseconds. A fast sender
 *  would otherwise occupy the thread for as long as its bytes last. */
const turnBytes = 512 * 1024
/** Work that a blob takes besides that for its bytes. */
const blobBytes = 4096

const emptyContent = Buffer.alloc(0)

async function receiveRecords(bytes: BodyBytes, target: Target): Promise<void> {
  const file = createWholeFile()
  // Contents pass through one buffer, a record at a time; only their digests are kept.
  const scratch = Buffer.allocUnsafeSlow(limits.coarseChunkMaxBytes + 1)
  let doneBytes = 0
  for (;;) {
    const available = await bytes.await(recordHeadBytesMax)
    if (available === 0) return
    const head = readHead(bytes.peek(Math.min(available, recordHeadBytesMax)))
    const recordBytes = head.headBytes + head.lengthBytes
    if ((await bytes.await(recordBytes)) < recordBytes) throw malformed('it ends within a record')
    bytes.take(head.headBytes)
    const record = bytes.take(head.lengthBytes)
    if (head.kind === recordKind.fileEnd) {
      await target.composite(file.end())
      continue
    }
    const { sizeBytes } = head
    const content = sizeBytes === 0 ? emptyContent : inflate(scratch, record, sizeBytes)
    const blob = { digest: digestOf(content), sizeBytes, crc32: crc32(content), stream: record }
    file.add(blob, content, head.kind === recordKind.firstPart)
    if (target.add(blob)) await target.flush()
    doneBytes += blobBytes + sizeBytes
    if (doneBytes < turnBytes) continue
    doneBytes = 0
    await nextTurn()
  }
}

/** Inflates a stream to the front of `target`. Bad input is not damage to the store, which is
 *  monitored, so it gets another code.
 *  Errors: invalid_request. */
function inflate(target: Buffer, stream: Buffer, sizeBytes: number): Buffer {
  try {
    return decodeJoining(target, stream, sizeBytes)
  } catch (error) {
    if (!hasCode(error, 'blob_damaged')) throw error
    throw malformed(`a blob is not a joining stream of ${sizeBytes} bytes`)
  }
}

interface RecordHead {
  kind: number
  headBytes: number
  sizeBytes: number
  lengthBytes: number
}

function readHead(bytes: Buffer): RecordHead {
  try {
    const reader = createByteReader(bytes)
    const kind = reader.byte()
    if (kind === recordKind.fileEnd)
      return { kind, sizeBytes: 0, lengthBytes: 0, headBytes: reader.position() }
    if (kind !== recordKind.blob && kind !== recordKind.firstPart) {
      throw malformed(`unknown record kind ${kind}`)
    }
    const sizeBytes = reader.varint()
    const lengthBytes = reader.varint()
    // A good encoder never exceeds the length of stored blocks, which add 5 bytes per 65,535.
    if (sizeBytes > limits.coarseChunkMaxBytes || lengthBytes > sizeBytes + 128) {
      throw malformed('a blob is too large')
    }
    // An empty blob has an empty stream, which is never inflated.
    if (sizeBytes === 0 && lengthBytes !== 0) throw malformed('an empty blob has bytes')
    return { kind, sizeBytes, lengthBytes, headBytes: reader.position() }
  } catch (error) {
    throw asMalformed(error)
  }
}

/** Hashes a large file while its parts arrive. */
interface WholeFile {
  /** Ignores blobs that are not part of a large file.
   *  Errors: invalid_request, when the file has too many parts. */
  add(part: ReceivedBlob, content: Buffer, isFirst: boolean): void
  /** Ends the file and returns it as a composite.
   *  Errors: invalid_request, when no file was begun. */
  end(): NewComposite
}

function createWholeFile(): WholeFile {
  let hasher: DigestHasher | undefined
  // Not as strings: those of a 16 GiB file would take as much heap as eight requests of the thread
  // may share.
  let parts = createByteWriter()
  let count = 0
  let crc = 0
  let sizeBytes = 0
  return {
    add: (part, content, isFirst) => {
      if (isFirst) {
        hasher = createDigestHasher()
        parts = createByteWriter()
        count = 0
        crc = 0
        sizeBytes = 0
      }
      if (hasher === undefined) return
      if (count === partsMax) throw malformed('a large file has too many parts')
      hasher.update(content)
      crc = combineCrc32(crc, part.crc32, content.length)
      sizeBytes += content.length
      parts.raw(digestToBytes(part.digest))
      count += 1
    },
    end: () => {
      if (hasher === undefined) throw malformed('a large file ends without having begun')
      const digest = hasher.digest()
      hasher = undefined
      return { digest, sizeBytes, crc32: crc, parts: parts.bytes() }
    },
  }
}

function malformed(reason: string): Error {
  return invalidRequest('body', `the body is malformed: ${reason}`)
}
