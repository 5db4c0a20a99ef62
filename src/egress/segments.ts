/** Segments: the parts of a representation, in order: literal bytes, slices of copies, and deferred
 *  stretches whose segments are computed only when a reader reaches them. They are produced on
 *  demand, in batches of at most a few thousand, so neither a long manifest nor a large file is
 *  ever held as a list. */
import type { BlobPlacement, Copy, Part } from '../core/bytes/copy.ts'
import { limits } from '../core/limits.ts'
import { storedBlockBytesMax, storedBlocksBytes, storedHeaderBytes } from '../packs/codec/codec.ts'
import { createMarks } from './archive-cache.ts'

export interface Literal {
  kind: 'literal'
  bytes: Buffer
}

/** The bytes `[start, end)` of a copy's stream. `path` is the entry that the bytes belong to, named
 *  in errors. */
export interface Slice {
  kind: 'slice'
  copy: Copy
  start: number
  end: number
  path: string | null
}

/** Exactly `lengthBytes` bytes, whose segments `open` computes when a reader needs any of them. */
export interface Deferred {
  kind: 'deferred'
  lengthBytes: number
  open(): SegmentBatches
}

export type Segment = Literal | Slice | Deferred
/** A segment that can be read directly. */
export type PlainSegment = Literal | Slice
export type SegmentBatches = AsyncIterable<Segment[]>

/** Reads parts of a composite, in order, from part `first` on; at most `limit` of them. */
export type ReadParts = (blobId: number, first: number, limit: number) => Promise<Part[]>

/** For measuring, which uses a composite's length and never opens it. */
export const unreadParts: ReadParts = () => {
  throw new Error('parts are not read while measuring')
}

/** Upper bound on the parts read at once, and so on the segments of a batch. */
const partsPerRead = 2000

export function literal(bytes: Buffer): Literal {
  return { kind: 'literal', bytes }
}

/** The whole stream of a copy. */
export function wholeCopy(copy: Copy, path: string | null): Slice {
  return { kind: 'slice', copy, start: 0, end: copy.lengthBytes, path }
}

/** A placeholder for bytes before the requested range. */
export function skipped(lengthBytes: number): Deferred {
  const open = (): never => {
    throw new Error('bytes before the range are not read')
  }
  return { kind: 'deferred', lengthBytes, open }
}

/** A blob as one deflate stream without its final block; for a single copy, its stream whatever its
 *  codec. */
export function blobStream(blob: BlobPlacement, path: string, readParts: ReadParts): Segment {
  if (blob.copy !== null) return wholeCopy(blob.copy, path)
  return {
    kind: 'deferred',
    lengthBytes: blob.joinedBytes,
    open: () => partStreams({ blob, first: 0 }, path, readParts),
  }
}

/** Yields the streams of a composite's parts, from part `first` on. */
async function* partStreams(
  from: { blob: BlobPlacement; first: number },
  path: string,
  readParts: ReadParts,
): AsyncGenerator<Segment[]> {
  for await (const parts of partPages(from, readParts)) {
    yield parts.map((part) => wholeCopy(part.copy, path))
  }
}

/** Returns a function that yields the same from byte `start` on. It remembers where it read pages
 *  of parts, so that going on does not take as long as the file has parts. */
export function resumedPartStreams(
  { blob, first }: { blob: BlobPlacement; first: number },
  path: string,
  readParts: ReadParts,
): (start: number) => SegmentBatches {
  const marks = createMarks<{ page: number; next: number; position: number }>()
  return async function* (start) {
    const known = marks.findLast(({ position }) => position <= start)
    let { page, next, position } = known ?? { page: 0, next: first, position: 0 }
    yield [skipped(position)]
    for await (const segments of partStreams({ blob, first: next }, path, readParts)) {
      marks.note({ page, next, position })
      yield segments
      page += 1
      next += segments.length
      position += totalBytes(segments)
    }
  }
}

/** Yields the parts of a composite, or what `read` returns of each, in pages: those from `first` to
 *  before `end`. */
export async function* partPages<Found = Part>(
  { blob, first, end }: { blob: BlobPlacement; first: number; end?: number },
  read: (blobId: number, first: number, limit: number) => Promise<Found[]>,
): AsyncGenerator<Found[]> {
  const { blobId, partCount } = blob
  const behind = end ?? partCount
  for (let next = first; next < behind;) {
    const parts = await read(blobId, next, Math.min(partsPerRead, behind - next))
    if (parts.length === 0) throw new Error(`blob ${blobId} has ${next} parts, not ${partCount}`)
    yield parts
    next += parts.length
  }
}

export function segmentBytes(segment: Segment): number {
  switch (segment.kind) {
    case 'literal':
      return segment.bytes.length
    case 'slice':
      return segment.end - segment.start
    case 'deferred':
      return segment.lengthBytes
  }
}

export function totalBytes(segments: readonly Segment[]): number {
  return segments.reduce((sum, segment) => sum + segmentBytes(segment), 0)
}

/** Yields the segments of `[start, end)` of `batches`, with deferred ones opened. Segments before
 *  the range are counted but not opened; none after it are requested. */
export async function* sliceSegments(
  batches: SegmentBatches,
  start: number,
  end: number,
): AsyncGenerator<PlainSegment[]> {
  let position = 0
  for await (const batch of batches) {
    let plain: PlainSegment[] = []
    for (const segment of batch) {
      if (position >= end) break
      const from = Math.max(start - position, 0)
      const to = Math.min(end - position, segmentBytes(segment))
      position += segmentBytes(segment)
      if (from >= to) continue
      if (segment.kind !== 'deferred') {
        plain.push(narrow(segment, from, to))
        continue
      }
      if (plain.length > 0) yield plain
      plain = []
      yield* sliceSegments(segment.open(), from, to)
    }
    if (plain.length > 0) yield plain
    if (position >= end) return
  }
}

function narrow(segment: PlainSegment, from: number, to: number): PlainSegment {
  if (from === 0 && to === segmentBytes(segment)) return segment
  return segment.kind === 'literal'
    ? literal(segment.bytes.subarray(from, to))
    : { ...segment, start: segment.start + from, end: segment.start + to }
}

/** Like `blobStream`, but a `stored` copy becomes stored blocks, none of them final. They must
 *  begin at a byte boundary of the stream. */
export function deflateStream(blob: BlobPlacement, path: string, readParts: ReadParts): Segment {
  const { copy } = blob
  if (copy?.codec !== 'stored') return blobStream(blob, path, readParts)
  return {
    kind: 'deferred',
    lengthBytes: storedBlocksBytes(copy.lengthBytes),
    open: () => wrapInBlocks(copy, path),
  }
}

async function* wrapInBlocks(copy: Copy, path: string): AsyncGenerator<Segment[]> {
  const batchBytes = limits.manifestPageEntries * storedBlockBytesMax
  for (let batch = 0; batch < copy.lengthBytes; batch += batchBytes) {
    const segments: Segment[] = []
    const batchEnd = Math.min(batch + batchBytes, copy.lengthBytes)
    for (let start = batch; start < batchEnd; start += storedBlockBytesMax) {
      const end = Math.min(start + storedBlockBytesMax, batchEnd)
      const header = Buffer.alloc(storedHeaderBytes)
      header.writeUInt16LE(end - start, 1)
      header.writeUInt16LE(~(end - start) & 0xffff, 3)
      segments.push(literal(header), { kind: 'slice', copy, start, end, path })
    }
    yield segments
  }
}
