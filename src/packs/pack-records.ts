/** The zip records of a pack as bytes: the narrow part of APPNOTE.TXT 6.3.10 that packs use. One member has one encoding,
 *  so a reader decodes the few fields that vary, encodes them again and compares. ZIP64 only where a value needs it. */

/** APPNOTE 4.4.5. */
export type CodecMethod = 0 | 8

/** What a pack says of a member. */
export interface MemberRecord {
  name: string
  codecMethod: CodecMethod
  crc32: number
  /** Of the content. */
  sizeBytes: number
  /** Of the member's data in the pack, with a joining stream's final `03 00`. */
  lengthBytes: number
  /** Of the local header. */
  headerOffset: number
}

/** What a pack says of its directory. */
export interface DirectoryRecord {
  memberCount: number
  directoryBytes: number
  directoryOffset: number
}

const localSignature = 0x04034b50
const centralSignature = 0x02014b50
const endSignature = 0x06054b50
const end64Signature = 0x06064b50
const locator64Signature = 0x07064b50
const extra64Id = 0x0001
const localBytes = 30
const centralBytes = 46
const endBytes = 22
const end64Bytes = 56
const locator64Bytes = 20
/** APPNOTE 4.4.1.4: these values send the reader to the ZIP64 fields, so they can never stand for themselves. */
const large16 = 0xffff
const large32 = 0xffffffff
/** 1980-01-01, the first day that the format can say. When a blob was packed is nobody's business. */
const dosDate = 0x0021
const dosTime = 0

/** The longest central header, for a name of `nameBytes`. */
export function centralHeaderBytesMax(nameBytes: number): number {
  return centralBytes + nameBytes + 4 + 24
}

/** The longest end of a pack. */
export const endRecordBytesMax: number = end64Bytes + locator64Bytes + endBytes

export function localHeaderBytes(member: MemberRecord): number {
  return localBytes + member.name.length + (hasLargeSize(member) ? 20 : 0)
}

/** The local header of a member of less than 4 GiB. */
export function smallHeaderBytes(nameBytes: number): number {
  return localBytes + nameBytes
}

/** Writes the local header at `at`; answers the index after it. */
export function encodeLocalHeader(target: Buffer, at: number, member: MemberRecord): number {
  const large = hasLargeSize(member)
  target.writeUInt32LE(localSignature, at)
  target.writeUInt16LE(versionNeeded(member, large), at + 4)
  encodeCommonFields(target, at + 6, member)
  target.writeUInt16LE(large ? 20 : 0, at + 28)
  let end = at + localBytes
  end += target.write(member.name, end, 'latin1')
  return large ? encodeExtra64(target, end, [member.sizeBytes, member.lengthBytes]) : end
}

/** The longest local header, for a name of `nameBytes`. */
export function localHeaderBytesMax(nameBytes: number): number {
  return localBytes + nameBytes + 20
}

/** Reads the local header at the beginning of `source`; undefined when it is not whole or not as `encodeLocalHeader`
 *  writes it. It does not say where it lies: `headerOffset` is 0. */
export function decodeLocalHeader(
  source: Buffer,
): { member: MemberRecord; end: number } | undefined {
  if (source.length < localBytes || source.readUInt32LE(0) !== localSignature) return undefined
  const nameEnd = localBytes + source.readUInt16LE(26)
  const end = nameEnd + source.readUInt16LE(28)
  const method = source.readUInt16LE(8)
  if (source.length < end || (method !== 0 && method !== 8)) return undefined
  const large = end > nameEnd
  if (large && end - nameEnd !== 20) return undefined
  const member: MemberRecord = {
    name: source.toString('latin1', localBytes, nameEnd),
    codecMethod: method,
    crc32: source.readUInt32LE(14),
    // APPNOTE 4.5.3: size, then compressed size.
    sizeBytes: large ? readUInt64(source, nameEnd + 4) : source.readUInt32LE(22),
    lengthBytes: large ? readUInt64(source, nameEnd + 12) : source.readUInt32LE(18),
    headerOffset: 0,
  }
  if (localHeaderBytes(member) !== end) return undefined
  const again = Buffer.alloc(end)
  encodeLocalHeader(again, 0, member)
  return again.equals(source.subarray(0, end)) ? { member, end } : undefined
}

/** Writes the central header at `at`; answers the index after it. */
export function encodeCentralHeader(target: Buffer, at: number, member: MemberRecord): number {
  const extra: number[] = []
  if (hasLargeSize(member)) extra.push(member.sizeBytes, member.lengthBytes)
  const largeOffset = member.headerOffset >= large32
  if (largeOffset) extra.push(member.headerOffset)
  const version = versionNeeded(member, extra.length > 0)
  target.writeUInt32LE(centralSignature, at)
  // APPNOTE 4.4.2: made on MS-DOS, which has no modes, so that extracted files get the reader's own.
  target.writeUInt16LE(version, at + 4)
  target.writeUInt16LE(version, at + 6)
  encodeCommonFields(target, at + 8, member)
  target.writeUInt16LE(extra.length > 0 ? 4 + 8 * extra.length : 0, at + 30)
  // No comment, disk 0, no attributes.
  target.fill(0, at + 32, at + 42)
  target.writeUInt32LE(largeOffset ? large32 : member.headerOffset, at + 42)
  let end = at + centralBytes
  end += target.write(member.name, end, 'latin1')
  return extra.length > 0 ? encodeExtra64(target, end, extra) : end
}

/** Reads the central header at `at`; undefined when it is not whole or not as `encodeCentralHeader` writes it. */
export function decodeCentralHeader(
  source: Buffer,
  at: number,
): { member: MemberRecord; end: number } | undefined {
  if (source.length < at + centralBytes) return undefined
  const nameEnd = at + centralBytes + source.readUInt16LE(at + 28)
  const end = nameEnd + source.readUInt16LE(at + 30)
  if (source.length < end) return undefined
  let extraAt = nameEnd + 4
  const value = (field: number): number | undefined => {
    const small = source.readUInt32LE(field)
    if (small !== large32) return small
    if (extraAt + 8 > end) return undefined
    extraAt += 8
    return readUInt64(source, extraAt - 8)
  }
  const method = source.readUInt16LE(at + 10)
  // The order of the ZIP64 fields (APPNOTE 4.5.3): size, compressed size, offset.
  const sizeBytes = value(at + 24)
  const lengthBytes = value(at + 20)
  const headerOffset = value(at + 42)
  if (sizeBytes === undefined || lengthBytes === undefined || headerOffset === undefined)
    return undefined
  if (method !== 0 && method !== 8) return undefined
  const member: MemberRecord = {
    name: source.toString('latin1', at + centralBytes, nameEnd),
    codecMethod: method,
    crc32: source.readUInt32LE(at + 16),
    sizeBytes,
    lengthBytes,
    headerOffset,
  }
  const again = Buffer.alloc(centralHeaderBytesMax(member.name.length))
  const againEnd = encodeCentralHeader(again, 0, member)
  return again.subarray(0, againEnd).equals(source.subarray(at, end)) ? { member, end } : undefined
}

/** The bytes after the directory: the end record, with its ZIP64 form before it when a value needs it. */
export function encodeEnd(directory: DirectoryRecord): Buffer {
  const { memberCount, directoryBytes, directoryOffset } = directory
  const large = memberCount >= large16 || directoryBytes >= large32 || directoryOffset >= large32
  const end = Buffer.alloc(large ? endRecordBytesMax : endBytes)
  let at = 0
  if (large) {
    end.writeUInt32LE(end64Signature, at)
    // APPNOTE 4.3.14.1: the size leaves out these first 12 bytes.
    writeUInt64(end, end64Bytes - 12, at + 4)
    end.writeUInt16LE(45, at + 12)
    end.writeUInt16LE(45, at + 14)
    writeUInt64(end, memberCount, at + 24)
    writeUInt64(end, memberCount, at + 32)
    writeUInt64(end, directoryBytes, at + 40)
    writeUInt64(end, directoryOffset, at + 48)
    at += end64Bytes
    end.writeUInt32LE(locator64Signature, at)
    writeUInt64(end, directoryOffset + directoryBytes, at + 8)
    end.writeUInt32LE(1, at + 16)
    at += locator64Bytes
  }
  end.writeUInt32LE(endSignature, at)
  end.writeUInt16LE(Math.min(memberCount, large16), at + 8)
  end.writeUInt16LE(Math.min(memberCount, large16), at + 10)
  end.writeUInt32LE(Math.min(directoryBytes, large32), at + 12)
  end.writeUInt32LE(Math.min(directoryOffset, large32), at + 16)
  return end
}

/** Reads the end of a pack from its last bytes, at least `endRecordBytesMax` of them unless the pack is shorter.
 *  Undefined when they are not as `encodeEnd` writes them. */
export function decodeEnd(tail: Buffer): DirectoryRecord | undefined {
  const at = tail.length - endBytes
  if (at < 0) return undefined
  let directory: DirectoryRecord = {
    memberCount: tail.readUInt16LE(at + 10),
    directoryBytes: tail.readUInt32LE(at + 12),
    directoryOffset: tail.readUInt32LE(at + 16),
  }
  const { memberCount, directoryBytes, directoryOffset } = directory
  if (memberCount === large16 || directoryBytes === large32 || directoryOffset === large32) {
    const at64 = tail.length - endRecordBytesMax
    if (at64 < 0) return undefined
    directory = {
      memberCount: readUInt64(tail, at64 + 32),
      directoryBytes: readUInt64(tail, at64 + 40),
      directoryOffset: readUInt64(tail, at64 + 48),
    }
  }
  const again = encodeEnd(directory)
  return tail.length >= again.length && again.equals(tail.subarray(-again.length))
    ? directory
    : undefined
}

/** The fields that local and central headers share, from the flags to the length of the name. */
function encodeCommonFields(target: Buffer, at: number, member: MemberRecord): void {
  const large = hasLargeSize(member)
  // APPNOTE 4.4.4: no flags, because names are ASCII and sizes stand in the header.
  target.writeUInt16LE(0, at)
  target.writeUInt16LE(member.codecMethod, at + 2)
  target.writeUInt16LE(dosTime, at + 4)
  target.writeUInt16LE(dosDate, at + 6)
  target.writeUInt32LE(member.crc32, at + 8)
  target.writeUInt32LE(large ? large32 : member.lengthBytes, at + 12)
  target.writeUInt32LE(large ? large32 : member.sizeBytes, at + 16)
  target.writeUInt16LE(member.name.length, at + 20)
}

/** APPNOTE 4.5.3: a local header has both sizes or neither; ours do the same in the directory. */
function hasLargeSize(member: MemberRecord): boolean {
  return member.sizeBytes >= large32 || member.lengthBytes >= large32
}

/** APPNOTE 4.4.3.2. */
function versionNeeded(member: MemberRecord, large: boolean): number {
  if (large) return 45
  return member.codecMethod === 8 ? 20 : 10
}

function encodeExtra64(target: Buffer, at: number, values: number[]): number {
  target.writeUInt16LE(extra64Id, at)
  target.writeUInt16LE(8 * values.length, at + 2)
  for (const [index, value] of values.entries()) writeUInt64(target, value, at + 4 + 8 * index)
  return at + 4 + 8 * values.length
}

function writeUInt64(target: Buffer, value: number, at: number): void {
  target.writeUInt32LE(value % 2 ** 32, at)
  target.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4)
}

/** Values of 2^53 and more lose their lowest bits, which shows when they are encoded again. */
function readUInt64(source: Buffer, at: number): number {
  return source.readUInt32LE(at) + source.readUInt32LE(at + 4) * 2 ** 32
}
