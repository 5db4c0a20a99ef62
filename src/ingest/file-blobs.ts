/** Stores one file of any size as blobs: a small one whole, a larger one as a composite of chunks,
 *  which can still be found by the digest of the whole file. */
import { crc32 } from '../core/bytes/crc32.ts'
import { cutChunks, isCompressed } from '../core/bytes/chunker.ts'
import { chunkSizes, coarseChunkSizes } from '../core/bytes/cut-points.ts'
import { type Digest, createDigestHasher, digestOf, digestToBytes } from '../core/bytes/digest.ts'
import { createByteWriter } from '../core/bytes/varint.ts'
import { limits } from '../core/limits.ts'
import type { BlobWriter } from './blob-writer.ts'

export interface StoredFile {
  digest: Digest
  sizeBytes: number
}

/** Reads `source` to its end; closes it if it cannot be stored. Memory: one chunk, and 32 bytes per
 *  chunk of the file. */
export async function storeFile(
  writer: BlobWriter,
  source: AsyncIterable<Uint8Array>,
  options: { level: number },
): Promise<StoredFile> {
  const iterator = source[Symbol.asyncIterator]()
  const head = await readHead(iterator)
  if (head.ended) return await storeSmall(writer, head.bytes, options.level)
  return await storeLarge(writer, continued(head.bytes, iterator), {
    level: options.level,
    compressed: isCompressed(head.bytes),
  })
}

/** Stores a file in memory, below the chunk threshold. */
async function storeSmall(writer: BlobWriter, bytes: Buffer, level: number): Promise<StoredFile> {
  const digest = digestOf(bytes)
  await writer.add({ digest, bytes, level, joins: false })
  return { digest, sizeBytes: bytes.length }
}

async function readHead(
  iterator: AsyncIterator<Uint8Array>,
): Promise<{ bytes: Buffer; ended: boolean }> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  while (bytes < limits.chunkThresholdBytes) {
    const next = await iterator.next()
    if (next.done === true) return { bytes: Buffer.concat(pieces), ended: true }
    pieces.push(next.value)
    bytes += next.value.length
  }
  return { bytes: Buffer.concat(pieces), ended: false }
}

async function* continued(
  head: Buffer,
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield head
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      yield next.value
    }
  } finally {
    await iterator.return?.()
  }
}

async function storeLarge(
  writer: BlobWriter,
  source: AsyncIterable<Uint8Array>,
  options: { level: number; compressed: boolean },
): Promise<StoredFile> {
  const hasher = createDigestHasher()
  let crc = 0
  let sizeBytes = 0
  const parts = createByteWriter()
  // Compressed data neither deflates nor shares chunks across edits, so fewer, larger chunks cost
  // less.
  const sizes = options.compressed ? coarseChunkSizes : chunkSizes
  const level = options.compressed ? 0 : options.level
  for await (const chunk of cutChunks(source, sizes)) {
    hasher.update(chunk)
    crc = crc32(chunk, crc)
    sizeBytes += chunk.length
    const digest = digestOf(chunk)
    parts.raw(digestToBytes(digest))
    await writer.add({ digest, bytes: chunk, level, joins: true })
  }
  const digest = hasher.digest()
  const composite = { digest, sizeBytes, crc32: crc, parts: parts.bytes() }
  if (writer.addComposite(composite)) await writer.settle()
  return { digest, sizeBytes }
}
