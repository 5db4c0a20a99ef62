/** The headers of a generated zip, and how long they are.
 *
 *  Layout facts: APPNOTE 4.3.7 (local header), 4.3.12 (central header), 4.3.14–16 (end records), 4.5.3 (ZIP64 extra). */

export interface ZipHeaderFacts {
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
}

/** What was gone through of a zip, from its beginning. */
export interface ZipTally {
  members: number
  /** Of local headers and data, which is where the central directory begins. */
  localBytes: number
  centralBytes: number
}

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

export function createZipTally(): ZipTally {
  return { members: 0, localBytes: 0, centralBytes: 0 }
}

export function countMember(tally: ZipTally, member: ZipHeaderFacts): void {
  tally.centralBytes += centralHeaderBytes(member, tally.localBytes)
  tally.localBytes += localBytes(member)
  tally.members += 1
}

/** Bytes of a member before the next one: header and data. */
export function localBytes(member: ZipHeaderFacts): number {
  return localHeaderBytes(member) + member.storedBytes
}

/** APPNOTE 4.5.3: a local header with a ZIP64 extra holds both sizes there. */
function hasWideSizes(member: ZipHeaderFacts): boolean {
  return member.sizeBytes >= max32 || member.storedBytes >= max32
}

function localHeaderBytes(member: ZipHeaderFacts): number {
  return localFixedBytes + Buffer.byteLength(member.name) + (hasWideSizes(member) ? 20 : 0)
}

function centralExtra(member: ZipHeaderFacts, offset: number): number[] {
  const sizes = hasWideSizes(member) ? [member.sizeBytes, member.storedBytes] : []
  return offset >= max32 ? [...sizes, offset] : sizes
}

function centralHeaderBytes(member: ZipHeaderFacts, offset: number): number {
  const values = centralExtra(member, offset).length
  return centralFixedBytes + Buffer.byteLength(member.name) + (values > 0 ? 4 + 8 * values : 0)
}

export function localHeader(member: ZipHeaderFacts): Buffer {
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

export function centralHeader(member: ZipHeaderFacts, offset: number): Buffer {
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
function writeSharedFields(
  header: Buffer,
  at: number,
  member: ZipHeaderFacts,
  nameBytes: number,
): void {
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
export function endRecords(tally: ZipTally): Buffer {
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
