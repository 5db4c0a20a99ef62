/** Cutting of large files, and the encoding of blobs for the wire. Runs in worker threads. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { encodeBlobRecordHead } from '../core/blob-exchange.ts'
import { createChunker, isCompressed } from '../core/chunker.ts'
import { chunkSizes, coarseChunkSizes } from '../core/cut-points.ts'
import { crc32 } from '../core/crc32.ts'
import { digestOf, digestToBytes } from '../core/digest.ts'
import { limits } from '../core/limits.ts'
import { encodeJoiningSync } from '../packs/codec.ts'
import { FileError, fileError } from './file-error.ts'
import type { ChunkAnswer, ChunkTask, EncodeAnswer, EncodePiece, EncodeTask } from './file-tasks.ts'

const readBytes = 1024 * 1024

/** Cuts as the server does, so that chunks of all kinds of uploads meet. Errors: FileError. */
export function chunkFile({ path }: ChunkTask): ChunkAnswer {
  const descriptor = opened(path)
  try {
    const { size } = fstatSync(descriptor)
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
    if (sizeBytes !== size) throw changed(path)
    return {
      sizeBytes,
      crc32: crc,
      sizes: Uint32Array.from(sizes),
      digests: new Uint8Array(Buffer.concat(digests)),
      isCompressed: compressed,
    }
  } finally {
    closeSync(descriptor)
  }
}

/** Errors: FileError, also for content that is no longer what was announced. */
export function encodePieces({ pieces }: EncodeTask): EncodeAnswer {
  const records: Buffer[] = []
  let open: { path: string; descriptor: number } | undefined
  try {
    for (const piece of pieces) {
      if (open?.path !== piece.path) {
        if (open !== undefined) closeSync(open.descriptor)
        open = undefined
        open = { path: piece.path, descriptor: opened(piece.path) }
      }
      records.push(...encodePiece(open.descriptor, piece))
    }
  } finally {
    if (open !== undefined) closeSync(open.descriptor)
  }
  return { records: Uint8Array.from(Buffer.concat(records)) }
}

function encodePiece(descriptor: number, piece: EncodePiece): Buffer[] {
  const content = Buffer.allocUnsafe(piece.sizeBytes)
  const count = readSync(descriptor, content, 0, piece.sizeBytes, piece.offset)
  if (count !== piece.sizeBytes || digestOf(content) !== piece.digest) throw changed(piece.path)
  const stream = encodeJoiningSync(content, piece.level)
  const kind = piece.isFirstPart ? 'firstPart' : 'blob'
  const head = { kind, sizeBytes: content.length, lengthBytes: stream.length } as const
  return [encodeBlobRecordHead(head), stream]
}

function opened(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw fileError(path, error)
  }
}

function changed(path: string): FileError {
  return new FileError(path, 'changed while it was being uploaded')
}
