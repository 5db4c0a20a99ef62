/** The tar.gz: gzip around stored deflate streams, a pure function of entries, modification times
 *  and chosen copies.
 *
 *  Tar headers and padding are text that this program deflates (`tar-text.ts`); contents are stored
 *  streams. A joining stream ends at a byte boundary without a final block, so the next header can
 *  follow it in the same gzip member. A foreign `deflate` stream has its own final block, so its
 *  gzip member ends after it and the next header begins another. A foreign `stored` member is
 *  wrapped in stored blocks. Gzip members concatenate: RFC 1952 §2.2.
 *
 *  Formats: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Interchange Format"; RFC 1952
 *  (gzip). */
import type { BlobPlacement } from '../../core/bytes/copy.ts'
import { combineCrc32 } from '../../core/bytes/crc32.ts'
import type { StoredEntry } from '../../metadata/metadata.ts'
import type { Batch } from '../entry-pages.ts'
import { gzipHeader, gzipTrailer } from '../gzip.ts'
import { createMarks, type Marks } from '../archive-cache.ts'
import {
  deflateStream,
  literal,
  skipped,
  type ReadParts,
  type Segment,
  totalBytes,
  unreadParts,
} from '../segments.ts'
import { createEmittedText, createMeasuredText, type TarText } from './tar-text.ts'

/** Part of every tar.gz's ETag. Increase it whenever the same entries would produce other bytes. */
export const tarGzFormatVersion = 1

export interface TarMember {
  entry: StoredEntry
  /** Whole seconds since the epoch. */
  modifiedAt: number | null
}

const blockBytes = 512
/** Headers of entries without content are gathered up to this size before they are deflated. */
const textBytesMax = 64 * 1024

/** The gzip member being written: what it contains so far, except for text that is yet to be
 *  deflated. */
interface GzipMember {
  begun: boolean
  crc32: number
  sizeBytes: number
}

/** An archive being laid out, either to emit its bytes or only to compute its length. */
interface Archive {
  gzip: GzipMember
  text: TarText
  /** Number of NULs yet to be deflated; undefined when other text is pending as well. */
  nuls: number | undefined
}

function createArchive(text: TarText): Archive {
  return { gzip: emptyMember(), text, nuls: 0 }
}

/** A place where an archive can be resumed: before its entry `members`. */
interface TarMark {
  page: number
  members: number
  position: number
  gzip: GzipMember
  nuls: number
}

/** What is known about a tar.gz: where pages of entries begin, and its totals once it was
 *  measured. */
export interface TarMarks {
  pages: Marks<TarMark>
  whole: { members: number; totalBytes: number } | undefined
}

export function createTarMarks(): TarMarks {
  return { pages: createMarks(), whole: undefined }
}

/** Yields the members from a page of entries on. */
export type TarMembersFrom = (page: number) => AsyncIterable<Batch<TarMember>>

function emptyMember(): GzipMember {
  return { begun: false, crc32: 0, sizeBytes: 0 }
}

/** Yields the segments of the tar.gz. Everything before `start` that `marks` cover is skipped. */
export async function* tarGzSegments(
  members: TarMembersFrom,
  readParts: ReadParts,
  { start, marks }: { start: number; marks: TarMarks },
): AsyncGenerator<Segment[]> {
  const archive = createArchive(createEmittedText())
  const mark = marks.pages.findLast(({ position }) => position <= start)
  let { members: count, position } = mark ?? { members: 0, position: 0 }
  if (mark !== undefined) {
    archive.gzip = { ...mark.gzip }
    archive.text.addNuls(mark.nuls)
    archive.nuls = mark.nuls
  }
  yield [skipped(position)]
  for await (const { page, members: batch } of members(mark?.page ?? 0)) {
    if (page !== undefined) noteMark(marks, archive, { page, members: count, position })
    const segments = batch.flatMap((member) => memberSegments(archive, member, readParts))
    count += batch.length
    position += totalBytes(segments)
    yield segments
    if (count === marks.whole?.members) break
  }
  yield endSegments(archive)
}

/** Notes a mark, unless headers are pending: they consist of earlier entries, and a mark does not
 *  keep them. */
function noteMark(
  { pages }: TarMarks,
  { gzip, nuls }: Archive,
  at: Pick<TarMark, 'page' | 'members' | 'position'>,
): void {
  if (nuls !== undefined) pages.note({ ...at, gzip: { ...gzip }, nuls })
}

/** Adds up the length of a tar.gz, batch by batch. Modification times do not affect it. */
export interface TarGzMeter {
  add(batch: readonly TarMember[]): void
  /** Returns the total length; nothing may be added afterwards. */
  finish(): number
}

export function createTarGzMeter(): TarGzMeter {
  const archive = createArchive(createMeasuredText())
  let measured = 0
  return {
    add: (batch) => {
      for (const member of batch)
        measured += totalBytes(memberSegments(archive, member, unreadParts))
    },
    finish: () => measured + totalBytes(endSegments(archive)),
  }
}

/** Returns the length of the tar.gz of `members`, walking them unless `marks` know it. */
export async function measureTarGz(members: TarMembersFrom, marks: TarMarks): Promise<number> {
  if (marks.whole === undefined) {
    const meter = createTarGzMeter()
    let count = 0
    for await (const batch of members(0)) {
      meter.add(batch.members)
      count += batch.members.length
    }
    marks.whole = { members: count, totalBytes: meter.finish() }
  }
  return marks.whole.totalBytes
}

function memberSegments(archive: Archive, member: TarMember, readParts: ReadParts): Segment[] {
  const { entry, modifiedAt } = member
  const { text } = archive
  const segments: Segment[] = []
  text.addHeader(entry, modifiedAt)
  archive.nuls = undefined
  if (text.lengthBytes >= textBytesMax) flushText(segments, archive, 'open')
  if (entry.kind !== 'file' || entry.blob.sizeBytes === 0) return segments
  flushText(segments, archive, 'open')
  segments.push(deflateStream(entry.blob, entry.path, readParts))
  addContent(segments, archive, entry.blob)
  // Pads the content to whole blocks.
  archive.nuls = (blockBytes - (entry.blob.sizeBytes % blockBytes)) % blockBytes
  text.addNuls(archive.nuls)
  return segments
}

/** The end-of-archive blocks and the end of the last gzip member. */
function endSegments(archive: Archive): Segment[] {
  const segments: Segment[] = []
  archive.text.addNuls(2 * blockBytes)
  flushText(segments, archive, 'final')
  endMember(segments, archive)
  return segments
}

function flushText(segments: Segment[], { gzip, text }: Archive, ending: 'open' | 'final'): void {
  if (!gzip.begun) segments.push(literal(gzipHeader))
  gzip.begun = true
  gzip.sizeBytes += text.lengthBytes
  const { segment, crc32 } = text.flush(ending, gzip.crc32)
  gzip.crc32 = crc32
  segments.push(segment)
}

function addContent(segments: Segment[], archive: Archive, blob: BlobPlacement): void {
  const { gzip, text } = archive
  if (text.sums) gzip.crc32 = combineCrc32(gzip.crc32, blob.crc32, blob.sizeBytes)
  gzip.sizeBytes += blob.sizeBytes
  if (blob.copy?.codec === 'deflate') endMember(segments, archive)
}

function endMember(segments: Segment[], archive: Archive): void {
  segments.push(literal(gzipTrailer(archive.gzip.crc32, archive.gzip.sizeBytes)))
  archive.gzip = emptyMember()
}
