/** Cuts large files into parts and encodes blobs for the wire. Runs in worker threads. */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { encodeBlobRecordHead, recordHeadBytesMax } from '../../core/bytes/blob-exchange.ts'
import { createChunker, isCompressed } from '../../core/bytes/chunker.ts'
import { chunkSizes, coarseChunkSizes } from '../../core/bytes/cut-points.ts'
import { crc32 } from '../../core/bytes/crc32.ts'
import { digestOf, digestToBytes } from '../../core/bytes/digest.ts'
import { limits } from '../../core/limits.ts'
import { encodeJoiningInto, joiningRoom } from '../../packs/codec/codec.ts'
import { changedWhileUploading, openToRead, whileReading } from './file-error.ts'
import type { ChunkAnswer, ChunkTask, EncodeAnswer, EncodePiece, EncodeTask } from './file-tasks.ts'

const readBytes = 1024 * 1024

/** Cuts at the same points as the server, so that parts deduplicate across all kinds of uploads.
 *  Errors: FileError. */
export function chunkFile({ path }: ChunkTask): ChunkAnswer {
  return whileReading(path, () => chunk(path))
}

function chunk(path: string): ChunkAnswer {
  const descriptor = openToRead(path)
  try {
    const { size, mtimeMs, ctimeMs, ino } = fstatSync(descriptor)
    const buffer = Buffer.allocUnsafeSlow(readBytes)
    const sample = buffer.subarray(
      0,
      readSync(descriptor, buffer, 0, limits.chunkThresholdBytes, 0),
    )
    const compressed = isCompressed(sample)
    const chunker = createChunker(compressed ? coarseChunkSizes : chunkSizes)
    const sizes: number[] = []
    const digests: Buffer[] = []
    let crc = 0
    let sizeBytes = 0
    const take = (chunk: Buffer): void => {
      sizes.push(chunk.length)
      digests.push(digestToBytes(digestOf(chunk)))
    }
    for (;;) {
      const count = readSync(descriptor, buffer, 0, readBytes, sizeBytes)
      if (count === 0) break
      const piece = buffer.subarray(0, count)
      crc = crc32(piece, crc)
      sizeBytes += count
      for (const chunk of chunker.push(piece)) take(chunk)
    }
    const last = chunker.finish()
    if (last !== undefined) take(last)
    if (sizeBytes !== size) throw changedWhileUploading(path)
    return {
      sizeBytes,
      stats: Float64Array.of(size, mtimeMs, ctimeMs, ino),
      crc32: crc,
      sizes: Uint32Array.from(sizes),
      digests: new Uint8Array(Buffer.concat(digests)),
      isCompressed: compressed,
    }
  } finally {
    closeSync(descriptor)
  }
}

/** Errors: FileError, also when the content no longer has the announced digest. */
export function encodePieces({ pieces }: EncodeTask): EncodeAnswer {
  const room = pieces.reduce((sum, { sizeBytes }) => sum + recordRoom(sizeBytes), 0)
  const records = Buffer.allocUnsafe(room)
  let at = 0
  let open: { path: string; descriptor: number } | undefined
  try {
    for (const piece of pieces) {
      if (open?.path !== piece.path) {
        if (open !== undefined) closeSync(open.descriptor)
        open = undefined
        open = { path: piece.path, descriptor: openToRead(piece.path) }
      }
      const { descriptor } = open
      at = whileReading(piece.path, () => encodePiece(descriptor, piece, records, at))
    }
  } finally {
    if (open !== undefined) closeSync(open.descriptor)
  }
  return { records: new Uint8Array(records.subarray(0, at)) }
}

function recordRoom(sizeBytes: number): number {
  return recordHeadBytesMax + joiningRoom(sizeBytes)
}

let content = Buffer.allocUnsafeSlow(limits.chunkThresholdBytes)

/** Writes the record of a piece at `at`; returns the index after it. */
function encodePiece(descriptor: number, piece: EncodePiece, records: Buffer, at: number): number {
  const { path, offset, sizeBytes, digest, level, isFirstPart } = piece
  if (sizeBytes > content.length) content = Buffer.allocUnsafeSlow(sizeBytes)
  const bytes = content.subarray(0, sizeBytes)
  if (readSync(descriptor, bytes, 0, sizeBytes, offset) !== sizeBytes)
    throw changedWhileUploading(path)
  if (digestOf(bytes) !== digest) throw changedWhileUploading(path)
  // The head holds the length of the stream, so it can only be written after the stream.
  const start = at + recordHeadBytesMax
  const lengthBytes = encodeJoiningInto(records.subarray(start), bytes, level)
  const kind = isFirstPart ? 'firstPart' : 'blob'
  const head = encodeBlobRecordHead({ kind, sizeBytes, lengthBytes })
  records.set(head, at)
  records.copyWithin(at + head.length, start, start + lengthBytes)
  return at + head.length + lengthBytes
}
