/** The tar.gz: gzip around stored deflate streams, a pure function of entries, modification times and chosen copies.
 *
 *  Tar headers and padding are text that we deflate ourselves (`fixed-deflate.ts`); contents are stored streams. A
 *  joining stream ends at a byte border without a final block, so the next header can follow it in the same gzip
 *  member; a foreign `deflate` stream brings its own final block, so its gzip member ends after it and the next header
 *  begins another; a foreign `stored` member is wrapped in stored blocks. Members concatenate: RFC 1952 §2.2.
 *
 *  Formats: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Interchange Format"; RFC 1952 (gzip). */
import type { BlobPlacement } from '../core/copy.ts'
import { combineCrc32, crc32 } from '../core/crc32.ts'
import type { StoredEntry } from '../metadata/metadata.ts'
import { encodeFixedBlock, fixedBlockBytes } from './fixed-deflate.ts'
import { gzipHeader, gzipTrailer } from './gzip.ts'
import {
  blobStream,
  literal,
  type ReadParts,
  type Segment,
  storedBlocks,
  totalBytes,
  unreadParts,
} from './segments.ts'
import { tarHeader } from './tar-header.ts'

/** Part of every tar.gz's ETag: grows whenever the same entries would give other bytes. */
export const tarGzFormatVersion = 1

export interface TarMember {
  entry: StoredEntry
  /** Whole seconds since the epoch. */
  modifiedAt: number | null
}

const blockBytes = 512
const endOfArchive = Buffer.alloc(2 * blockBytes)
const paddingBlock = Buffer.alloc(blockBytes)
/** Headers of entries without content are gathered up to this size before they are deflated. */
const textBytesMax = 64 * 1024

/** The gzip member being written: what was put into it, and the text that still waits to be deflated. */
interface GzipMember {
  begun: boolean
  crc32: number
  sizeBytes: number
  text: Buffer[]
  textBytes: number
  purpose: Purpose
}

/** What the layout is run for: to emit bytes, or only to know how many there would be. */
interface Purpose {
  deflate(text: Buffer, ending: 'open' | 'final'): Segment
  /** False where nobody reads the checksum: combining it takes longer than all the rest of measuring. */
  sums: boolean
}

function createGzipMember(purpose: Purpose): GzipMember {
  return { begun: false, crc32: 0, sizeBytes: 0, text: [], textBytes: 0, purpose }
}

const emitting: Purpose = {
  deflate: (text, ending) => literal(encodeFixedBlock(text, ending)),
  sums: true,
}

const measuring: Purpose = {
  deflate: (text, ending) => ({
    kind: 'deferred',
    lengthBytes: fixedBlockBytes(text, ending),
    open: () => {
      throw new Error('text is not read while measuring')
    },
  }),
  sums: false,
}

export async function* tarGzSegments(
  members: AsyncIterable<TarMember[]>,
  readParts: ReadParts,
): AsyncGenerator<Segment[]> {
  const gzip = createGzipMember(emitting)
  for await (const batch of members)
    yield batch.flatMap((member) => memberSegments(gzip, member, readParts))
  yield endSegments(gzip)
}

/** Adds up the length of a tar.gz, batch by batch. Modification times make no difference to it. */
export interface TarGzMeter {
  add(batch: readonly TarMember[]): void
  /** The total length; nothing can be added afterwards. */
  finish(): number
}

export function createTarGzMeter(): TarGzMeter {
  const gzip = createGzipMember(measuring)
  let measured = 0
  return {
    add: (batch) => {
      for (const member of batch) measured += totalBytes(memberSegments(gzip, member, unreadParts))
    },
    finish: () => measured + totalBytes(endSegments(gzip)),
  }
}

/** The length of the tar.gz of `members`. */
export async function measureTarGz(members: AsyncIterable<TarMember[]>): Promise<number> {
  const meter = createTarGzMeter()
  for await (const batch of members) meter.add(batch)
  return meter.finish()
}

function memberSegments(gzip: GzipMember, member: TarMember, readParts: ReadParts): Segment[] {
  const { entry, modifiedAt } = member
  const segments: Segment[] = []
  addText(gzip, tarHeader(entry, modifiedAt))
  if (gzip.textBytes >= textBytesMax) flushText(segments, gzip, 'open')
  if (entry.kind !== 'file' || entry.blob.sizeBytes === 0) return segments
  flushText(segments, gzip, 'open')
  addContent(segments, gzip, entry.blob, blobStreamIn(entry, readParts))
  addText(gzip, paddingAfter(entry.blob.sizeBytes))
  return segments
}

/** Content fills whole blocks. */
function paddingAfter(sizeBytes: number): Buffer {
  return paddingBlock.subarray(0, (blockBytes - (sizeBytes % blockBytes)) % blockBytes)
}

function blobStreamIn(
  entry: Extract<StoredEntry, { kind: 'file' }>,
  readParts: ReadParts,
): Segment {
  const { copy } = entry.blob
  return copy?.codec === 'stored'
    ? storedBlocks(copy, entry.path)
    : blobStream(entry.blob, entry.path, readParts)
}

/** The end-of-archive blocks and the end of the last gzip member. */
function endSegments(gzip: GzipMember): Segment[] {
  const segments: Segment[] = []
  addText(gzip, endOfArchive)
  flushText(segments, gzip, 'final')
  endMember(segments, gzip)
  return segments
}

function addText(gzip: GzipMember, bytes: Buffer): void {
  gzip.text.push(bytes)
  gzip.textBytes += bytes.length
  if (gzip.purpose.sums) gzip.crc32 = crc32(bytes, gzip.crc32)
  gzip.sizeBytes += bytes.length
}

function flushText(segments: Segment[], gzip: GzipMember, ending: 'open' | 'final'): void {
  if (!gzip.begun) segments.push(literal(gzipHeader))
  gzip.begun = true
  segments.push(gzip.purpose.deflate(Buffer.concat(gzip.text), ending))
  gzip.text = []
  gzip.textBytes = 0
}

function addContent(
  segments: Segment[],
  gzip: GzipMember,
  blob: BlobPlacement,
  stream: Segment,
): void {
  segments.push(stream)
  if (gzip.purpose.sums) gzip.crc32 = combineCrc32(gzip.crc32, blob.crc32, blob.sizeBytes)
  gzip.sizeBytes += blob.sizeBytes
  if (blob.copy?.codec === 'deflate') endMember(segments, gzip)
}

function endMember(segments: Segment[], gzip: GzipMember): void {
  segments.push(literal(gzipTrailer(gzip.crc32, gzip.sizeBytes)))
  Object.assign(gzip, createGzipMember(gzip.purpose))
}
