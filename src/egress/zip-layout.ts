/** The generated zip: a pure function of entries, modification times and the copies chosen for them.
 *
 *  Members come in manifest order. Local headers carry CRC and sizes, so that a reader that never sees the central
 *  directory (the stock client's) can work, and there are no data descriptors. ZIP64 appears only where a size, an
 *  offset or the count needs it. A member's data is its stored stream, so nothing is compressed here.
 *
 *  Measuring runs the same functions as emitting, so an announced length is the emitted one by construction.
 *  Layout facts: APPNOTE 4.3.7 (local header), 4.3.12 (central header), 4.3.14–16 (end records), 4.5.3 (ZIP64 extra). */
import { joiningEnd } from '../core/copy.ts'
import { crc32 } from '../core/crc32.ts'
import type { StoredEntry } from '../metadata/metadata.ts'
import { blobStream, literal, type ReadParts, type Segment, segmentBytes } from './segments.ts'

/** Part of every generated zip's ETag: grows whenever the same entries would give other bytes. */
export const zipFormatVersion = 1

export interface ZipMember {
  /** With a slash at its end when it is a directory. */
  name: string
  /** Unix type and permission bits. */
  mode: number
  /** Whole seconds since the epoch. */
  modifiedAt: number | null
  method: 0 | 8
  crc32: number
  sizeBytes: number
  storedBytes: number
  data: Segment[]
}

const unixType = { file: 0o100000, directory: 0o040000, symlink: 0o120000 } as const
const dosDirectory = 0x10
/** Unix, and the version of APPNOTE that has ZIP64. */
const madeBy = 0x032d
const versionPlain = 20
const versionZip64 = 45
/** APPNOTE 4.4.4, bit 11: the name is UTF-8. */
const utf8Flag = 0x0800
const localFixedBytes = 30
const centralFixedBytes = 46
const zip64ExtraId = 0x0001
const max16 = 0xffff
const max32 = 0xffffffff

/** An entry as a zip member. `prefix` is put before its path, and ends with a slash when it is a folder. */
export function zipMember(
  entry: StoredEntry,
  options: { modifiedAt: number | null; prefix: string; readParts: ReadParts },
): ZipMember {
  const data = memberData(entry, options.readParts)
  const path = options.prefix + entry.path
  // Spelled out: spreading costs more than all the rest, and a large tree has a million of these.
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

/** The folder that holds the members of one artifact of several. */
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

function fileData(entry: Extract<StoredEntry, { kind: 'file' }>, readParts: ReadParts): MemberData {
  const { blob } = entry
  const stream = blobStream(blob, entry.path, readParts)
  // Ours joins, and still lacks its final block; a foreign stream is complete as it is.
  const joins = blob.copy === null || blob.copy.codec === 'joining'
  return {
    method: blob.copy?.codec === 'stored' ? 0 : 8,
    crc32: blob.crc32,
    sizeBytes: blob.sizeBytes,
    storedBytes: segmentBytes(stream) + (joins ? joiningEnd.length : 0),
    data: joins ? [stream, literal(joiningEnd)] : [stream],
  }
}

/** The zip of `members`, which is called twice: for the members, and for the central directory. */
export async function* zipSegments(
  members: () => AsyncIterable<ZipMember[]>,
): AsyncGenerator<Segment[]> {
  const tally = createTally()
  for await (const batch of members()) {
    for (const member of batch) count(tally, member)
    yield batch.flatMap((member) => [literal(localHeader(member)), ...member.data])
  }
  let offset = 0
  for await (const batch of members()) {
    const headers = batch.map((member) => {
      const header = centralHeader(member, offset)
      offset += localBytes(member)
      return header
    })
    yield [literal(Buffer.concat(headers))]
  }
  yield [literal(endRecords(tally))]
}

/** Adds up the length of a zip, batch by batch. */
export interface ZipMeter {
  add(batch: readonly ZipMember[]): void
  totalBytes(): number
}

export function createZipMeter(): ZipMeter {
  const tally = createTally()
  return {
    add: (batch) => {
      for (const member of batch) count(tally, member)
    },
    totalBytes: () => tally.localBytes + tally.centralBytes + endRecords(tally).length,
  }
}

/** The length of the zip of `members`. */
export async function measureZip(members: AsyncIterable<ZipMember[]>): Promise<number> {
  const meter = createZipMeter()
  for await (const batch of members) meter.add(batch)
  return meter.totalBytes()
}

interface Tally {
  members: number
  /** Of local headers and data, which is where the central directory begins. */
  localBytes: number
  centralBytes: number
}

function createTally(): Tally {
  return { members: 0, localBytes: 0, centralBytes: 0 }
}

function count(tally: Tally, member: ZipMember): void {
  tally.centralBytes += centralHeaderBytes(member, tally.localBytes)
  tally.localBytes += localBytes(member)
  tally.members += 1
}

/** Bytes of a member before the next one: header and data. */
function localBytes(member: ZipMember): number {
  return localHeaderBytes(member) + member.storedBytes
}

/** APPNOTE 4.5.3: a local header with a ZIP64 extra holds both sizes there. */
function hasWideSizes(member: ZipMember): boolean {
  return member.sizeBytes >= max32 || member.storedBytes >= max32
}

function localHeaderBytes(member: ZipMember): number {
  return localFixedBytes + Buffer.byteLength(member.name) + (hasWideSizes(member) ? 20 : 0)
}

function centralExtra(member: ZipMember, offset: number): number[] {
  const sizes = hasWideSizes(member) ? [member.sizeBytes, member.storedBytes] : []
  return offset >= max32 ? [...sizes, offset] : sizes
}

function centralHeaderBytes(member: ZipMember, offset: number): number {
  const values = centralExtra(member, offset).length
  return centralFixedBytes + Buffer.byteLength(member.name) + (values > 0 ? 4 + 8 * values : 0)
}

function localHeader(member: ZipMember): Buffer {
  const wide = hasWideSizes(member)
  const header = Buffer.alloc(localHeaderBytes(member))
  header.writeUInt32LE(0x04034b50, 0)
  header.writeUInt16LE(wide ? versionZip64 : versionPlain, 4)
  const nameBytes = header.write(member.name, localFixedBytes)
  writeSharedFields(header, 6, member, nameBytes)
  const extra = wide ? [member.sizeBytes, member.storedBytes] : []
  header.writeUInt16LE(writeZip64Extra(header, localFixedBytes + nameBytes, extra), 28)
  return header
}

function centralHeader(member: ZipMember, offset: number): Buffer {
  const extra = centralExtra(member, offset)
  const header = Buffer.alloc(centralHeaderBytes(member, offset))
  header.writeUInt32LE(0x02014b50, 0)
  header.writeUInt16LE(madeBy, 4)
  header.writeUInt16LE(extra.length > 0 ? versionZip64 : versionPlain, 6)
  const nameBytes = header.write(member.name, centralFixedBytes)
  writeSharedFields(header, 8, member, nameBytes)
  header.writeUInt16LE(writeZip64Extra(header, centralFixedBytes + nameBytes, extra), 30)
  const dosAttributes = member.name.endsWith('/') ? dosDirectory : 0
  header.writeUInt32LE(((member.mode << 16) | dosAttributes) >>> 0, 38)
  header.writeUInt32LE(Math.min(offset, max32), 42)
  return header
}

/** Flags to name length: the fields that local and central header have in common, from `at` on. */
function writeSharedFields(header: Buffer, at: number, member: ZipMember, nameBytes: number): void {
  const wide = hasWideSizes(member)
  // Only ASCII takes as many bytes as it has UTF-16 units.
  header.writeUInt16LE(nameBytes === member.name.length ? 0 : utf8Flag, at)
  header.writeUInt16LE(member.method, at + 2)
  header.writeUInt32LE(dosDateTime(member.modifiedAt), at + 4)
  header.writeUInt32LE(member.crc32, at + 8)
  header.writeUInt32LE(wide ? max32 : member.storedBytes, at + 12)
  header.writeUInt32LE(wide ? max32 : member.sizeBytes, at + 16)
  header.writeUInt16LE(nameBytes, at + 20)
}

/** Writes `values` as a ZIP64 extra field; answers its length, 0 for no values. */
function writeZip64Extra(header: Buffer, at: number, values: number[]): number {
  if (values.length === 0) return 0
  header.writeUInt16LE(zip64ExtraId, at)
  header.writeUInt16LE(8 * values.length, at + 2)
  values.forEach((value, index) => header.writeBigUInt64LE(BigInt(value), at + 4 + 8 * index))
  return 4 + 8 * values.length
}

const dosEpoch = (1 << 21) | (1 << 16)
const dosLast = (127 << 25) | (12 << 21) | (31 << 16) | (23 << 11) | (59 << 5) | 29

/** Date in the high half, time in the low half, in UTC; 1980-01-01 for no time, and the nearest that DOS can say for
 *  years it cannot. APPNOTE 4.4.6. */
function dosDateTime(modifiedAt: number | null): number {
  if (modifiedAt === null) return dosEpoch
  const time = new Date(modifiedAt * 1000)
  const year = time.getUTCFullYear() - 1980
  if (year < 0) return dosEpoch
  // A time beyond what Date can hold has no year.
  if (!(year <= 127)) return dosLast >>> 0
  const date = (year << 9) | ((time.getUTCMonth() + 1) << 5) | time.getUTCDate()
  const clock =
    (time.getUTCHours() << 11) | (time.getUTCMinutes() << 5) | (time.getUTCSeconds() >> 1)
  return ((date << 16) | clock) >>> 0
}

/** What follows the central directory: the ZIP64 records where the plain one cannot say it, then the plain one. */
function endRecords(tally: Tally): Buffer {
  const { members, localBytes: centralOffset, centralBytes } = tally
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(Math.min(members, max16), 8)
  end.writeUInt16LE(Math.min(members, max16), 10)
  end.writeUInt32LE(Math.min(centralBytes, max32), 12)
  end.writeUInt32LE(Math.min(centralOffset, max32), 16)
  if (members < max16 && centralBytes < max32 && centralOffset < max32) return end

  const wide = Buffer.alloc(56)
  wide.writeUInt32LE(0x06064b50, 0)
  // The record's own length, without this field and the signature.
  wide.writeBigUInt64LE(44n, 4)
  wide.writeUInt16LE(madeBy, 12)
  wide.writeUInt16LE(versionZip64, 14)
  wide.writeBigUInt64LE(BigInt(members), 24)
  wide.writeBigUInt64LE(BigInt(members), 32)
  wide.writeBigUInt64LE(BigInt(centralBytes), 40)
  wide.writeBigUInt64LE(BigInt(centralOffset), 48)
  const locator = Buffer.alloc(20)
  locator.writeUInt32LE(0x07064b50, 0)
  locator.writeBigUInt64LE(BigInt(centralOffset + centralBytes), 8)
  locator.writeUInt32LE(1, 16)
  return Buffer.concat([wide, locator, end])
}
