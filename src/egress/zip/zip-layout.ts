/** The generated zip: a pure function of entries, modification times and the copies chosen for
 *  them.
 *
 *  Members are in manifest order. Local headers carry CRC and sizes, so that a reader that never
 *  sees the central directory (the stock client's) works, and there are no data descriptors. ZIP64
 *  is used only where a size, an offset or the count requires it. A member's data is its stored
 *  stream, so nothing is compressed here.
 *
 *  Measuring runs the same functions as emitting, so the announced length equals the emitted one by
 *  construction. */
import { joiningEnd } from '../../core/bytes/copy.ts'
import { crc32 } from '../../core/bytes/crc32.ts'
import { createByteReader, createByteWriter } from '../../core/bytes/varint.ts'
import type { StoredEntry, StoredFile } from '../../metadata/metadata.ts'
import type { Batch } from '../entry-pages.ts'
import { createMarks, type Marks } from '../archive-cache.ts'
import {
  blobStream,
  literal,
  skipped,
  type ReadParts,
  type Segment,
  segmentBytes,
} from '../segments.ts'
import {
  centralHeader,
  countMember,
  createZipTally,
  endRecords,
  localBytes,
  localHeader,
  type ZipMemberFacts,
  type ZipTally,
} from './zip-headers.ts'

/** Part of every generated zip's ETag. Increase it whenever the same entries would produce other
 *  bytes. */
export const zipFormatVersion = 1

export interface ZipMember extends ZipMemberFacts {
  data: Segment[]
}

const unixType = { file: 0o100000, directory: 0o040000, symlink: 0o120000 } as const

/** An entry as a zip member. `prefix` is prepended to its path; for a folder it ends with a
 *  slash. */
export function zipMember(
  entry: StoredEntry,
  options: { modifiedAt: number | null; prefix: string; readParts: ReadParts },
): ZipMember {
  const data = memberData(entry, options.readParts)
  const path = options.prefix + entry.path
  // Field by field, because spreading costs more than all the rest, and a large tree has a million
  // members.
  return {
    name: entry.kind === 'directory' ? `${path}/` : path,
    mode: unixType[entry.kind] | entry.mode,
    modifiedAt: options.modifiedAt,
    method: data.method,
    crc32: data.crc32,
    sizeBytes: data.sizeBytes,
    storedBytes: data.storedBytes,
    data: data.data,
  }
}

/** The folder of one artifact in a zip of several. */
export function zipFolder(name: string): ZipMember {
  return { name: `${name}/`, mode: unixType.directory | 0o755, modifiedAt: null, ...noData }
}

type MemberData = Pick<ZipMember, 'method' | 'crc32' | 'sizeBytes' | 'storedBytes' | 'data'>

const noData: MemberData = { method: 0, crc32: 0, sizeBytes: 0, storedBytes: 0, data: [] }

function memberData(entry: StoredEntry, readParts: ReadParts): MemberData {
  switch (entry.kind) {
    case 'directory':
      return noData
    case 'symlink':
      return targetData(Buffer.from(entry.target))
    case 'file':
      return entry.blob.sizeBytes === 0 ? noData : fileData(entry, readParts)
  }
}

function targetData(target: Buffer): MemberData {
  const { length } = target
  return {
    method: 0,
    crc32: crc32(target),
    sizeBytes: length,
    storedBytes: length,
    data: [literal(target)],
  }
}

function fileData(entry: StoredFile, readParts: ReadParts): MemberData {
  const { blob } = entry
  const stream = blobStream(blob, entry.path, readParts)
  // Our own streams lack a final block; foreign ones are complete.
  const joins = blob.copy === null || blob.copy.codec === 'joining'
  return {
    method: blob.copy?.codec === 'stored' ? 0 : 8,
    crc32: blob.crc32,
    sizeBytes: blob.sizeBytes,
    storedBytes: segmentBytes(stream) + (joins ? joiningEnd.length : 0),
    data: joins ? [stream, literal(joiningEnd)] : [stream],
  }
}

interface ZipMark extends ZipTally {
  page: number
}

/** What is known about a zip: where the pages of entries begin in it, and its totals once it was
 *  walked to the end. */
export interface ZipMarks {
  pages: Marks<ZipMark>
  whole: ZipTally | undefined
}

export function createZipMarks(): ZipMarks {
  return { pages: createMarks(), whole: undefined }
}

/** Yields the members from a page of entries on. */
export type MembersFrom = (page: number) => AsyncIterable<Batch<ZipMember>>

/** Yields the segments of the zip of `members`, which is called twice: for the members and for the
 *  central directory. Everything before `start` that `marks` cover is skipped; the rest before it
 *  is only counted. */
export async function* zipSegments(
  members: MembersFrom,
  { start, marks }: { start: number; marks: ZipMarks } = { start: 0, marks: createZipMarks() },
): AsyncGenerator<Segment[]> {
  const known = marks.whole
  const isBehind = known !== undefined && start >= known.localBytes
  if (isBehind) yield [skipped(known.localBytes)]
  const whole = isBehind ? known : yield* localStretch(members, { start, marks })
  yield* centralDirectory(members, { start: start - whole.localBytes, marks, whole })
  yield [literal(endRecords(whole))]
}

/** Yields headers and data of the members; returns their totals. */
async function* localStretch(
  members: MembersFrom,
  { start, marks }: { start: number; marks: ZipMarks },
): AsyncGenerator<Segment[], ZipTally> {
  const { page: first, ...tally } = markBefore(marks, (mark) => mark.localBytes <= start)
  yield [skipped(tally.localBytes)]
  for await (const batch of members(first)) {
    const begin = tally.localBytes
    countBatch(marks, tally, batch)
    yield tally.localBytes <= start
      ? [skipped(tally.localBytes - begin)]
      : batch.members.flatMap((member) => [literal(localHeader(member)), ...member.data])
    if (tally.members === marks.whole?.members) break
  }
  marks.whole = tally
  return tally
}

/** `start` counts from the beginning of the directory. */
async function* centralDirectory(
  members: MembersFrom,
  { start, marks, whole }: { start: number; marks: ZipMarks; whole: ZipTally },
): AsyncGenerator<Segment[]> {
  const before = markBefore(marks, (mark) => mark.centralBytes <= start)
  yield [skipped(before.centralBytes)]
  let offset = before.localBytes
  for await (const batch of members(before.page)) {
    const headers = batch.members.map((member) => {
      const header = centralHeader(member, offset)
      offset += localBytes(member)
      return header
    })
    yield [literal(Buffer.concat(headers))]
    if (offset === whole.localBytes) break
  }
}

/** Returns the last mark that `isBefore` accepts, or the beginning of the zip. */
function markBefore({ pages }: ZipMarks, isBefore: (mark: ZipMark) => boolean): ZipMark {
  return pages.findLast(isBefore) ?? { page: 0, ...createZipTally() }
}

function countBatch(
  { pages }: ZipMarks,
  tally: ZipTally,
  { page, members }: Batch<ZipMember>,
): void {
  if (page !== undefined) pages.note({ page, ...tally })
  for (const member of members) countMember(tally, member)
}

/** Adds up the length of a zip, a page of entries at a time. */
export interface ZipMeter {
  add(page: readonly ZipMember[]): void
  totalBytes(): number
  /** Returns the sizes of each page, for `recallPages`. */
  pages(): Buffer
}

export function createZipMeter(): ZipMeter {
  const tally = createZipTally()
  const pages = createByteWriter(64)
  return {
    add: (page) => {
      const { members, localBytes: local, centralBytes } = tally
      for (const member of page) countMember(tally, member)
      pages.varint(tally.members - members)
      pages.varint(tally.localBytes - local)
      pages.varint(tally.centralBytes - centralBytes)
    },
    totalBytes: () => zipBytes(tally),
    pages: () => pages.bytes(),
  }
}

/** Restores the marks of a fully walked zip from the page sizes recorded when it was measured. */
export function recallPages(marks: ZipMarks, pages: Uint8Array): void {
  const reader = createByteReader(pages)
  const tally = createZipTally()
  for (let page = 0; !reader.atEnd(); page++) {
    marks.pages.note({ page, ...tally })
    tally.members += reader.varint()
    tally.localBytes += reader.varint()
    tally.centralBytes += reader.varint()
  }
  marks.whole = tally
}

function zipBytes(whole: ZipTally): number {
  return whole.localBytes + whole.centralBytes + endRecords(whole).length
}

/** Returns the length of the zip of `members`, walking them unless `marks` know it. */
export async function measureZip(members: MembersFrom, marks: ZipMarks): Promise<number> {
  if (marks.whole === undefined) {
    const tally = createZipTally()
    for await (const batch of members(0)) countBatch(marks, tally, batch)
    marks.whole = tally
  }
  return zipBytes(marks.whole)
}
