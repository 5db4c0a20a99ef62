/** Encodes the records of zips that we generate. Uses ZIP64 only where a value needs it, and no
 *  data descriptors. */
import {
  centralFixedBytes,
  end64FixedBytes,
  endBytesMax,
  endFixedBytes,
  escaped16,
  escaped32,
  localFixedBytes,
  writeUInt64,
  type ZipDirectoryPlace,
  zip64Id,
  zipFlag,
  zipSignature,
} from './zip-records.ts'

/** APPNOTE 4.4.3.2. */
const zip64Version = 45
/** Sizes of a ZIP64 field with both sizes, and of one with the offset as well. */
const zip64SizesBytes = 4 + 16
export const zip64FieldBytesMax: number = zip64SizesBytes + 8

/** The facts in a member's headers. */
export interface ZipHeaderFacts {
  /** Ends with a slash for a directory. */
  name: string
  /** APPNOTE 4.4.5. */
  method: 0 | 8
  crc32: number
  /** Length of the content. */
  sizeBytes: number
  /** Length of the member's data in the zip. */
  storedBytes: number
}

/** Header fields that differ between our kinds of zip. */
export interface ZipForm<Facts extends ZipHeaderFacts> {
  /** APPNOTE 4.4.3, for members that do not need ZIP64. */
  versionNeeded(member: Facts): number
  /** APPNOTE 4.4.2. */
  madeBy(versionNeeded: number): number
  /** APPNOTE 4.4.6: the date in the high half. */
  dosDateTime(member: Facts): number
  /** APPNOTE 4.4.15. */
  externalAttributes(member: Facts): number
}

export interface ZipEncoder<Facts extends ZipHeaderFacts> {
  /** Writes the local header at `at`; returns the index after it. */
  encodeLocalHeader(target: Buffer, at: number, member: Facts): number
  /** Writes the central header at `at`; returns the index after it. */
  encodeCentralHeader(target: Buffer, at: number, member: Facts, localOffset: number): number
  /** Encodes the bytes after the directory: the end record, preceded by its ZIP64 form when a value
   *  needs it. */
  encodeEnd(directory: ZipDirectoryPlace): Buffer
}

export function localHeaderBytes(member: ZipHeaderFacts): number {
  return localFixedBytes + Buffer.byteLength(member.name) + zip64FieldBytes(member, 0)
}

export function centralHeaderBytes(member: ZipHeaderFacts, localOffset: number): number {
  return centralFixedBytes + Buffer.byteLength(member.name) + zip64FieldBytes(member, localOffset)
}

export function createZipEncoder<Facts extends ZipHeaderFacts>(
  form: ZipForm<Facts>,
): ZipEncoder<Facts> {
  const versionOf = (member: Facts, localOffset: number): number =>
    zip64FieldBytes(member, localOffset) > 0 ? zip64Version : form.versionNeeded(member)

  /** Writes what local and central headers share: the fields from the version needed to the length
   *  of extra fields at `at`, and the name and the ZIP64 field at `nameAt`. */
  function encodeShared(
    target: Buffer,
    at: number,
    member: Facts,
    localOffset: number,
    nameAt: number,
  ): number {
    const isWide = hasWideSizes(member)
    const nameBytes = target.write(member.name, nameAt)
    target.writeUInt16LE(versionOf(member, localOffset), at)
    // UTF-8 length equals UTF-16 length only for ASCII.
    target.writeUInt16LE(nameBytes === member.name.length ? 0 : zipFlag.utf8, at + 2)
    target.writeUInt16LE(member.method, at + 4)
    target.writeUInt32LE(form.dosDateTime(member), at + 6)
    target.writeUInt32LE(member.crc32, at + 10)
    target.writeUInt32LE(isWide ? escaped32 : member.storedBytes, at + 14)
    target.writeUInt32LE(isWide ? escaped32 : member.sizeBytes, at + 18)
    target.writeUInt16LE(nameBytes, at + 22)
    target.writeUInt16LE(zip64FieldBytes(member, localOffset), at + 24)
    return encodeZip64Field(target, nameAt + nameBytes, member, localOffset)
  }

  return {
    encodeLocalHeader: (target, at, member) => {
      target.writeUInt32LE(zipSignature.local, at)
      return encodeShared(target, at + 4, member, 0, at + localFixedBytes)
    },
    encodeCentralHeader: (target, at, member, localOffset) => {
      target.writeUInt32LE(zipSignature.central, at)
      target.writeUInt16LE(form.madeBy(versionOf(member, localOffset)), at + 4)
      // No comment, disk 0, no internal attributes.
      target.fill(0, at + 32, at + 38)
      target.writeUInt32LE(form.externalAttributes(member), at + 38)
      target.writeUInt32LE(Math.min(localOffset, escaped32), at + 42)
      return encodeShared(target, at + 6, member, localOffset, at + centralFixedBytes)
    },
    encodeEnd: (directory) => encodeEnd(directory, form.madeBy(zip64Version)),
  }
}

/** APPNOTE 4.5.3: a local header has both sizes in its ZIP64 field or neither; our central headers
 *  do the same. */
function hasWideSizes({ sizeBytes, storedBytes }: ZipHeaderFacts): boolean {
  return sizeBytes >= escaped32 || storedBytes >= escaped32
}

function zip64FieldBytes(member: ZipHeaderFacts, localOffset: number): number {
  const hasWideOffset = localOffset >= escaped32
  if (hasWideSizes(member)) return hasWideOffset ? zip64FieldBytesMax : zip64SizesBytes
  return hasWideOffset ? 4 + 8 : 0
}

/** Writes the ZIP64 field, if one is needed; returns the index after it. */
function encodeZip64Field(
  target: Buffer,
  at: number,
  member: ZipHeaderFacts,
  localOffset: number,
): number {
  const fieldBytes = zip64FieldBytes(member, localOffset)
  if (fieldBytes === 0) return at
  const end = at + fieldBytes
  target.writeUInt16LE(zip64Id, at)
  target.writeUInt16LE(fieldBytes - 4, at + 2)
  if (hasWideSizes(member)) {
    writeUInt64(target, member.sizeBytes, at + 4)
    writeUInt64(target, member.storedBytes, at + 12)
  }
  if (localOffset >= escaped32) writeUInt64(target, localOffset, end - 8)
  return end
}

function encodeEnd(directory: ZipDirectoryPlace, madeBy: number): Buffer {
  const { memberCount, directoryBytes, directoryOffset } = directory
  const isWide =
    memberCount >= escaped16 || directoryBytes >= escaped32 || directoryOffset >= escaped32
  const bytes = Buffer.alloc(isWide ? endBytesMax : endFixedBytes)
  if (isWide) {
    bytes.writeUInt32LE(zipSignature.end64, 0)
    // APPNOTE 4.3.14.1: the size excludes these first 12 bytes.
    writeUInt64(bytes, end64FixedBytes - 12, 4)
    bytes.writeUInt16LE(madeBy, 12)
    bytes.writeUInt16LE(zip64Version, 14)
    writeUInt64(bytes, memberCount, 24)
    writeUInt64(bytes, memberCount, 32)
    writeUInt64(bytes, directoryBytes, 40)
    writeUInt64(bytes, directoryOffset, 48)
    bytes.writeUInt32LE(zipSignature.locator64, end64FixedBytes)
    writeUInt64(bytes, directoryOffset + directoryBytes, end64FixedBytes + 8)
    bytes.writeUInt32LE(1, end64FixedBytes + 16)
  }
  const at = bytes.length - endFixedBytes
  bytes.writeUInt32LE(zipSignature.end, at)
  bytes.writeUInt16LE(Math.min(memberCount, escaped16), at + 8)
  bytes.writeUInt16LE(Math.min(memberCount, escaped16), at + 10)
  bytes.writeUInt32LE(Math.min(directoryBytes, escaped32), at + 12)
  bytes.writeUInt32LE(Math.min(directoryOffset, escaped32), at + 16)
  return bytes
}
