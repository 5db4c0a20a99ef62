/** The records of a zip as specified in APPNOTE.TXT 6.3.10, decoded from any zip; `zip-encoder.ts`
 *  encodes ours. */

/** APPNOTE 4.3.7, 4.3.9, 4.3.12, 4.3.14, 4.3.15, 4.3.16. */
export const zipSignature = {
  local: 0x04034b50,
  descriptor: 0x08074b50,
  central: 0x02014b50,
  end64: 0x06064b50,
  locator64: 0x07064b50,
  end: 0x06054b50,
} as const

/** Lengths of records without their variable parts: names, extra fields, a comment. */
export const localFixedBytes = 30
export const centralFixedBytes = 46
export const endFixedBytes = 22
export const end64FixedBytes = 56
const locator64Bytes = 20
/** Length of an end record with its ZIP64 form and no comment. */
export const endBytesMax: number = end64FixedBytes + locator64Bytes + endFixedBytes
/** How many bytes at the end of a zip can contain its end record, which may be followed by a
 *  comment. */
export const zipTailBytesMax: number = endBytesMax + 0xffff

/** APPNOTE 4.4.1.4: these values refer the reader to the ZIP64 fields, so they cannot stand for
 *  themselves. */
export const escaped16 = 0xffff
export const escaped32 = 0xffffffff

/** APPNOTE 4.4.4. */
export const zipFlag = {
  encrypted: 1,
  /** CRC and sizes follow the data. */
  descriptor: 1 << 3,
  stronglyEncrypted: 1 << 6,
  utf8: 1 << 11,
  masked: 1 << 13,
} as const

/** APPNOTE 4.5.2. */
export const zip64Id = 0x0001

/** Where the central directory of a zip is. */
export interface ZipDirectoryPlace {
  memberCount: number
  directoryBytes: number
  directoryOffset: number
}

/** A decoded central header, with the values of its ZIP64 field. */
export interface CentralHeader {
  madeBy: number
  flags: number
  method: number
  dosTime: number
  dosDate: number
  crc32: number
  storedBytes: number
  sizeBytes: number
  externalAttributes: number
  localOffset: number
  /** The ZIP64 field lacks a required value, or has one of 2^53 or more; such values stay
   *  0xffffffff. */
  hasBadZip64: boolean
  /** Offsets in the bytes that it was decoded from. */
  nameAt: number
  extraAt: number
  commentAt: number
  end: number
}

/** Returns undefined when no complete central header begins at `at`. */
export function decodeCentralHeader(source: Buffer, at: number): CentralHeader | undefined {
  const nameAt = at + centralFixedBytes
  if (source.length < nameAt || source.readUInt32LE(at) !== zipSignature.central) return undefined
  const extraAt = nameAt + source.readUInt16LE(at + 28)
  const commentAt = extraAt + source.readUInt16LE(at + 30)
  const end = commentAt + source.readUInt16LE(at + 32)
  if (source.length < end) return undefined
  const header: CentralHeader = {
    madeBy: source.readUInt16LE(at + 4),
    flags: source.readUInt16LE(at + 8),
    method: source.readUInt16LE(at + 10),
    dosTime: source.readUInt16LE(at + 12),
    dosDate: source.readUInt16LE(at + 14),
    crc32: source.readUInt32LE(at + 16),
    storedBytes: source.readUInt32LE(at + 20),
    sizeBytes: source.readUInt32LE(at + 24),
    externalAttributes: source.readUInt32LE(at + 38),
    localOffset: source.readUInt32LE(at + 42),
    hasBadZip64: false,
    nameAt,
    extraAt,
    commentAt,
    end,
  }
  if (Math.max(header.sizeBytes, header.storedBytes, header.localOffset) === escaped32) {
    const field = findExtra(source.subarray(extraAt, commentAt), zip64Id)
    if (field !== undefined) readZip64Field(header, field)
  }
  return header
}

/** APPNOTE 4.5.3: the field holds, in this order, only the values that are 0xffffffff in the
 *  header. */
const zip64Order = ['sizeBytes', 'storedBytes', 'localOffset'] as const

function readZip64Field(header: CentralHeader, field: Buffer): void {
  let at = 0
  for (const name of zip64Order) {
    if (header[name] !== escaped32) continue
    const value = at + 8 <= field.length ? readUInt64(field, at) : Infinity
    if (Number.isSafeInteger(value)) header[name] = value
    else header.hasBadZip64 = true
    at += 8
  }
}

/** APPNOTE 4.5.1: returns the body of the first extra field with this id. */
export function findExtra(extra: Buffer, id: number): Buffer | undefined {
  for (let at = 0; at + 4 <= extra.length;) {
    const end = at + 4 + extra.readUInt16LE(at + 2)
    if (end > extra.length) return undefined
    if (extra.readUInt16LE(at) === id) return extra.subarray(at + 4, end)
    at = end
  }
  return undefined
}

/** A decoded end record. */
export interface ZipEnd extends ZipDirectoryPlace {
  disk: number
  /** Where the end record, or its ZIP64 form, begins in the file; the directory ends there at the
   *  latest. */
  offset: number
}

/** Returns the index of the end record in the last bytes of a zip; -1 when there is none. */
export function findEndRecord(tail: Buffer): number {
  for (let at = tail.length - endFixedBytes; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== zipSignature.end) continue
    // A comment may contain the signature's bytes; a real record's comment ends within the file.
    if (at + endFixedBytes + tail.readUInt16LE(at + 20) <= tail.length) return at
  }
  return -1
}

/** Decodes the end record at `at`, or its ZIP64 form. `tail` begins at `tailOffset` in the file.
 *  Returns undefined when the ZIP64 form is not where the locator points, or has values of 2^53 or
 *  more. */
export function decodeEnd(tail: Buffer, at: number, tailOffset: number): ZipEnd | undefined {
  const disk = tail.readUInt16LE(at + 4)
  const locatorAt = at - locator64Bytes
  if (locatorAt < 0 || tail.readUInt32LE(locatorAt) !== zipSignature.locator64) {
    return {
      disk,
      memberCount: tail.readUInt16LE(at + 10),
      directoryBytes: tail.readUInt32LE(at + 12),
      directoryOffset: tail.readUInt32LE(at + 16),
      offset: tailOffset + at,
    }
  }
  const offset = readUInt64(tail, locatorAt + 8)
  const at64 = offset - tailOffset
  const isInTail = at64 >= 0 && at64 + end64FixedBytes <= locatorAt
  if (!isInTail || tail.readUInt32LE(at64) !== zipSignature.end64) return undefined
  const place = {
    memberCount: readUInt64(tail, at64 + 32),
    directoryBytes: readUInt64(tail, at64 + 40),
    directoryOffset: readUInt64(tail, at64 + 48),
  }
  return Object.values(place).every(Number.isSafeInteger) ? { disk, ...place, offset } : undefined
}

export function writeUInt64(target: Buffer, value: number, at: number): void {
  target.writeUInt32LE(value % 2 ** 32, at)
  target.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4)
}

/** Values of 2^53 and more lose their lowest bits and are not safe integers. */
export function readUInt64(source: Buffer, at: number): number {
  return source.readUInt32LE(at) + source.readUInt32LE(at + 4) * 2 ** 32
}
