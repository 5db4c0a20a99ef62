/** Cuts large files into parts and encodes blobs for the wire. Runs in worker threads. */
import { hash } from 'node:crypto'
import { closeSync, fstatSync, readSync } from 'node:fs'
import { encodeBlobRecordHead, recordHeadBytesMax } from '../../core/bytes/blob-exchange.ts'
import { isCompressed } from '../../core/bytes/chunker.ts'
import { chunkSizes, coarseChunkSizes, createFileCutFinder } from '../../core/bytes/cut-points.ts'
import { crc32 } from '../../core/bytes/crc32.ts'
import { digestBytes, digestOf } from '../../core/bytes/digest.ts'
import { limits } from '../../core/limits.ts'
import { encodeJoiningInto, joiningRoom } from '../../packs/codec/codec.ts'
import { changedWhileUploading, openToRead, whileReading } from './file-error.ts'
import { columnsOf } from './stat-columns.ts'
import type { ChunkAnswer, ChunkTask, EncodePiece, EncodeTask, FileAnswers } from './file-tasks.ts'

/** Bytes that are cut before the rest of them is moved to the front. */
const readBytes = 1024 * 1024

/** Reused by all tasks: memory outside the heap is freed only when the collector finds out, which
 *  for new buffers per task took up to 100 MB per thread. */
let window: Buffer = Buffer.alloc(0)
let records: Buffer = Buffer.alloc(0)
let content: Buffer = Buffer.alloc(0)

/** Returns the buffer, or a larger one in its place. */
export function roomIn(buffer: Buffer, bytes: number): Buffer {
  return buffer.length >= bytes ? buffer : Buffer.allocUnsafeSlow(bytes)
}

/** Cuts at the same points as the server, so that parts deduplicate across all kinds of uploads.
 *  Errors: FileError. */
export function chunkFile({ path }: ChunkTask): ChunkAnswer {
  return whileReading(path, () => chunk(path))
}

function chunk(path: string): ChunkAnswer {
  const descriptor = openToRead(path)
  try {
    const stats = fstatSync(descriptor)
    window = roomIn(window, coarseChunkSizes.maxBytes + readBytes)
    const sampleBytes = readSync(descriptor, window, 0, limits.chunkThresholdBytes, 0)
    const compressed = isCompressed(window.subarray(0, sampleBytes))
    const findEnd = createFileCutFinder(compressed ? coarseChunkSizes : chunkSizes)
    const sizes: number[] = []
    /** Outside the heap: 350,000 buffers of a digest took more than 64 MiB of it. */
    let digests = Buffer.alloc(digestBytes * 1024)
    let crc = 0
    let sizeBytes = 0
    /** Bytes of the open chunk, at the front of the window. */
    let heldBytes = 0
    const take = (from: number, to: number): void => {
      const at = digestBytes * sizes.length
      if (at === digests.length) digests = Buffer.concat([digests], 2 * at)
      hash('sha256', window.subarray(from, to), 'buffer').copy(digests, at)
      sizes.push(to - from)
    }
    for (;;) {
      const count = readSync(descriptor, window, heldBytes, readBytes, sizeBytes)
      if (count === 0) break
      sizeBytes += count
      const filled = window.subarray(0, heldBytes + count)
      crc = crc32(filled.subarray(heldBytes), crc)
      let from = 0
      for (;;) {
        const to = findEnd(filled, from + heldBytes, heldBytes)
        if (to === undefined) break
        take(from, to)
        from = to
        heldBytes = 0
      }
      window.copyWithin(0, from, filled.length)
      heldBytes = filled.length - from
    }
    if (heldBytes > 0) take(0, heldBytes)
    if (sizeBytes !== stats.size) throw changedWhileUploading(path)
    return {
      sizeBytes,
      stats: Float64Array.from(columnsOf(stats)),
      crc32: crc,
      sizes: Uint32Array.from(sizes),
      digests: new Uint8Array(digests.subarray(0, digestBytes * sizes.length)),
      isCompressed: compressed,
    }
  } finally {
    closeSync(descriptor)
  }
}

/** Errors: FileError, also when the content no longer has the announced digest. */
export function encodePieces({ pieces }: EncodeTask): FileAnswers['encode'] {
  const room = pieces.reduce((sum, { sizeBytes }) => sum + recordRoom(sizeBytes), 0)
  records = roomIn(records, room)
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
      at = whileReading(piece.path, () => encodePiece(descriptor, piece, at))
    }
  } finally {
    if (open !== undefined) closeSync(open.descriptor)
  }
  return { records: new Uint8Array(records.subarray(0, at)) }
}

function recordRoom(sizeBytes: number): number {
  return recordHeadBytesMax + joiningRoom(sizeBytes)
}

/** Writes the record of a piece to `records` at `at`; returns the index after it. */
function encodePiece(descriptor: number, piece: EncodePiece, at: number): number {
  const { path, offset, sizeBytes, digest, level, isFirstPart } = piece
  content = roomIn(content, sizeBytes)
  const bytes = content.subarray(0, sizeBytes)
  // What a file that became shorter leaves in the buffer has another digest, or is the content.
  readSync(descriptor, bytes, 0, sizeBytes, offset)
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
