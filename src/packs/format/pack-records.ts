/** The zip records of a pack. Every member has exactly one encoding, so decoding reads the few
 *  fields that vary, encodes them again and compares. */
import {
  centralHeaderBytes,
  createZipEncoder,
  localHeaderBytes,
  type ZipHeaderFacts,
  zip64FieldBytesMax,
} from '../../core/zip/zip-encoder.ts'
import * as zip from '../../core/zip/zip-records.ts'
import { memberNameBytesMax } from './member-names.ts'

export const localHeaderBytesMax: number =
  zip.localFixedBytes + memberNameBytesMax + zip64FieldBytesMax
export const centralHeaderBytesMax: number =
  zip.centralFixedBytes + memberNameBytesMax + zip64FieldBytesMax

export const { encodeLocalHeader, encodeCentralHeader, encodeEnd } =
  createZipEncoder<ZipHeaderFacts>({
    versionNeeded: (member) => (member.method === 8 ? 20 : 10),
    // Made on MS-DOS, which has no modes, so that extracted files get default permissions.
    madeBy: (versionNeeded) => versionNeeded,
    // 1980-01-01, the first day that the format can express. The time of packing is not recorded.
    dosDateTime: () => 0x0021_0000,
    externalAttributes: () => 0,
  })

/** Decodes the local header at the beginning of `source`; undefined when it is incomplete or not as
 *  `encodeLocalHeader` writes it. */
export function decodeLocalHeader(
  source: Buffer,
): { member: ZipHeaderFacts; end: number } | undefined {
  if (source.length < zip.localFixedBytes) return undefined
  const nameEnd = zip.localFixedBytes + source.readUInt16LE(26)
  const end = nameEnd + source.readUInt16LE(28)
  const method = source.readUInt16LE(8)
  if (source.length < end || (method !== 0 && method !== 8)) return undefined
  const sizes = zip.findExtra(source.subarray(nameEnd, end), zip.zip64Id)
  if (end > nameEnd && sizes?.length !== 16) return undefined
  const member: ZipHeaderFacts = {
    name: source.toString('latin1', zip.localFixedBytes, nameEnd),
    method,
    crc32: source.readUInt32LE(14),
    // APPNOTE 4.5.3: size, then compressed size.
    sizeBytes: sizes === undefined ? source.readUInt32LE(22) : zip.readUInt64(sizes, 0),
    storedBytes: sizes === undefined ? source.readUInt32LE(18) : zip.readUInt64(sizes, 8),
  }
  if (
    localHeaderBytes(member) !== end ||
    !Number.isSafeInteger(member.sizeBytes + member.storedBytes)
  )
    return undefined
  const again = Buffer.alloc(end)
  encodeLocalHeader(again, 0, member)
  return again.equals(source.subarray(0, end)) ? { member, end } : undefined
}

/** Decodes the central header at `at`; undefined when it is incomplete or not as
 *  `encodeCentralHeader` writes it. */
export function decodeCentralHeader(
  source: Buffer,
  at: number,
): { member: ZipHeaderFacts; localOffset: number; end: number } | undefined {
  const header = zip.decodeCentralHeader(source, at)
  if (header === undefined) return undefined
  const { method, crc32, sizeBytes, storedBytes, localOffset, end } = header
  if (method !== 0 && method !== 8) return undefined
  const name = source.toString('latin1', header.nameAt, header.extraAt)
  const member: ZipHeaderFacts = { name, method, crc32, sizeBytes, storedBytes }
  if (centralHeaderBytes(member, localOffset) !== end - at) return undefined
  const again = Buffer.alloc(end - at)
  encodeCentralHeader(again, 0, member, localOffset)
  return again.equals(source.subarray(at, end)) ? { member, localOffset, end } : undefined
}

/** Decodes the end record of a pack from its last bytes, which begin at `tailOffset`; these must be
 *  at least `endBytesMax` unless the pack is shorter. Undefined when they are not as `encodeEnd`
 *  writes them. */
export function decodeEnd(tail: Buffer, tailOffset: number): zip.ZipEnd | undefined {
  const at = tail.length - zip.endFixedBytes
  const end = at < 0 ? undefined : zip.decodeEnd(tail, at, tailOffset)
  if (end === undefined) return undefined
  const again = encodeEnd(end)
  return tail.length >= again.length && again.equals(tail.subarray(-again.length)) ? end : undefined
}
