/** A single file: its content, inflated while it is sent, or its stored stream in a gzip frame.
 *
 *  A range of a composite's content is inflated from the start of the part that contains its first
 *  byte; a range of a single stream from the start of the stream, because deflate has no other
 *  entry points. */
import { joiningEnd } from '../core/bytes/copy.ts'
import { crc32 } from '../core/bytes/crc32.ts'
import { storeError } from '../core/errors.ts'
import type { StoredFile } from '../metadata/metadata.ts'
import { inflateStream } from '../packs/codec/codec.ts'
import { coalesce } from './coalesce.ts'
import { emit, type EmittedRange, type SegmentsFrom } from './emit.ts'
import { gzipHeader, gzipTrailer } from './gzip.ts'
import type { Reader } from './reader.ts'
import {
  deflateStream,
  literal,
  partPages,
  resumedPartStreams,
  type Segment,
  wholeCopy,
} from './segments.ts'

/** Part of every gzip form's ETag. Increase it whenever the same file would produce other bytes. */
export const gzipFormatVersion = 1

/** The segments of a file's gzip form. */
export function gzipFileSegments(file: StoredFile, reader: Reader): Segment[] {
  const { blob, path } = file
  const trailer = literal(gzipTrailer(blob.crc32, blob.sizeBytes))
  const content = blob.sizeBytes > 0 ? [deflateStream(blob, path, reader.metadata.readParts)] : []
  const hasEnd = blob.sizeBytes > 0 && blob.copy?.codec === 'deflate'
  return [literal(gzipHeader), ...content, ...(hasEnd ? [] : [literal(joiningEnd)]), trailer]
}

/** Yields the bytes `[start, end)` of a file's content, as `Representation.read` requires. */
export function readFileContent(
  reader: Reader,
  file: StoredFile,
  range: EmittedRange,
): AsyncIterable<Buffer> {
  const { blob, path } = file
  if (blob.copy?.codec === 'stored')
    return emit(reader, onceFrom([wholeCopy(blob.copy, path)]), range)
  const content = coalesce(inflateRange(reader, file, range), range.end - range.start)
  const isWhole = range.start === 0 && range.end === blob.sizeBytes
  return isWhole ? verifyContent(content, file) : content
}

async function* inflateRange(
  reader: Reader,
  file: StoredFile,
  range: EmittedRange,
): AsyncGenerator<Buffer[]> {
  if (range.start === range.end) return
  const begin = await findBeginning(reader, file, range.start)
  const stream = emit(reader, begin.streamFrom, { ...range, start: 0, end: begin.streamBytes })
  const { copy, sizeBytes } = file.blob
  yield* sliceBytes(
    inflateStream(copy?.codec ?? 'joining', stream, sizeBytes - begin.contentStart),
    range.start - begin.contentStart,
    range.end - begin.contentStart,
  )
}

/** Yields the bytes `[start, end)` of `source`; reads nothing after them. */
async function* sliceBytes(
  source: AsyncIterable<Buffer>,
  start: number,
  end: number,
): AsyncGenerator<Buffer[]> {
  let position = 0
  for await (const chunk of source) {
    const from = Math.max(start - position, 0)
    const to = Math.min(end - position, chunk.length)
    position += chunk.length
    if (from < to) yield [chunk.subarray(from, to)]
    if (position >= end) return
  }
}

/** Finds a place at or before content offset `start` where inflating can begin. */
async function findBeginning(
  reader: Reader,
  file: StoredFile,
  start: number,
): Promise<{ contentStart: number; streamFrom: SegmentsFrom; streamBytes: number }> {
  const { blob, path } = file
  const { readParts } = reader.metadata
  if (blob.copy !== null) {
    const streamFrom = onceFrom([wholeCopy(blob.copy, path)])
    return { contentStart: 0, streamFrom, streamBytes: blob.copy.lengthBytes }
  }
  let first = 0
  let contentStart = 0
  let streamStart = 0
  for await (const parts of partPages({ blob, first: 0 }, readParts)) {
    for (const part of parts) {
      if (contentStart + part.sizeBytes > start) {
        const streamFrom = resumedPartStreams({ blob, first }, path, readParts)
        return { contentStart, streamFrom, streamBytes: blob.joinedBytes - streamStart }
      }
      first += 1
      contentStart += part.sizeBytes
      streamStart += part.copy.lengthBytes
    }
  }
  throw new Error(`blob ${blob.blobId} has ${contentStart} bytes, but byte ${start} was requested`)
}

/** Passes `content` through, but holds back its last chunk until the CRC-32 of the whole is
 *  verified. */
async function* verifyContent(
  content: AsyncIterable<Buffer>,
  file: StoredFile,
): AsyncGenerator<Buffer> {
  let held: Buffer | undefined
  let crc = 0
  for await (const chunk of content) {
    crc = crc32(chunk, crc)
    if (held !== undefined) yield held
    held = chunk
  }
  if (crc !== file.blob.crc32) {
    const details = { digest: file.digest, paths: [file.path] }
    throw storeError(
      'blob_damaged',
      `the content of ${file.path} does not match its CRC-32`,
      details,
    )
  }
  if (held !== undefined) yield held
}

/** Yields one batch of segments. */
export function onceFrom(segments: Segment[]): SegmentsFrom {
  return async function* () {
    yield segments
  }
}
