/** One member of an uploaded zip: where its bytes are, and what its headers say. If its headers
 *  disagree, two readers could see two different archives, so such a zip is kept whole. */
import {
  defaultDirectoryMode,
  defaultFileMode,
  type EntryKind,
  normalizeArchivePath,
} from '../../core/manifest/entry.ts'
import { expectedDescriptor } from '../../core/zip/skeleton-member.ts'
import {
  escaped32,
  findExtra,
  localFixedBytes,
  readUInt64,
  zip64Id,
  zipFlag,
  zipSignature,
} from '../../core/zip/zip-records.ts'
import type { CentralRecord } from './central-record.ts'
import type { WindowedReader } from '../staging/staged-reader.ts'
import { ZipOpaque } from './zip-opaque.ts'

/** The member as an entry, according to its central header. */
export interface MemberEntry {
  kind: EntryKind
  path: string
  mode: number
  /** Whole seconds since the epoch. */
  modifiedAt: number
}

export interface MemberPlace {
  local: Buffer
  dataOffset: number
  descriptor: Buffer
  /** Where the next member's gap begins. */
  end: number
}

/** Throws ZipOpaque for a name that is not UTF-8. */
export function memberEntry(record: CentralRecord): MemberEntry {
  const name = decodeName(record.nameBytes)
  // APPNOTE 4.4.2.2: the upper byte is the system that the attributes belong to; 3 is Unix, 19 is
  // macOS.
  const system = record.madeBy >>> 8
  const unixMode = system === 3 || system === 19 ? record.externalAttributes >>> 16 : 0
  const type = unixMode & 0o170000
  const kind = name.endsWith('/') ? 'directory' : type === 0o120000 ? 'symlink' : 'file'
  const fallback = kind === 'directory' ? defaultDirectoryMode : defaultFileMode
  return {
    kind,
    path: normalizeArchivePath(name),
    mode: unixMode === 0 ? fallback : unixMode & 0o777,
    modifiedAt: modifiedAt(record),
  }
}

/** Reads the local header and what follows the data. `previousEnd` is the earliest offset at
 *  which the member may begin. Throws ZipOpaque when it overlaps, or disagrees with the central
 *  header. */
export async function placeMember(
  headers: WindowedReader,
  record: CentralRecord,
  bounds: { previousEnd: number; directoryStart: number },
): Promise<MemberPlace> {
  const offset = record.localOffset
  if (offset < bounds.previousEnd) throw new ZipOpaque('its members overlap')
  const fixed = await readWithin(headers, offset, localFixedBytes, bounds.directoryStart)
  if (fixed.readUInt32LE(0) !== zipSignature.local) throw new ZipOpaque('a local header is missing')
  const length = localFixedBytes + fixed.readUInt16LE(26) + fixed.readUInt16LE(28)
  // Copied, because the descriptor is read through the same window.
  const local = Buffer.from(await readWithin(headers, offset, length, bounds.directoryStart))
  checkAgreement(local, record)
  const dataOffset = offset + length
  const dataEnd = dataOffset + record.storedBytes
  if (dataEnd > bounds.directoryStart) throw new ZipOpaque('its members overlap its directory')
  const descriptor =
    (record.flags & zipFlag.descriptor) === 0
      ? Buffer.alloc(0)
      : await readDescriptor(headers, dataEnd, record, bounds.directoryStart)
  return { local, dataOffset, descriptor, end: dataEnd + descriptor.length }
}

async function readWithin(
  reader: WindowedReader,
  offset: number,
  lengthBytes: number,
  limit: number,
): Promise<Buffer> {
  if (offset + lengthBytes > limit) throw new ZipOpaque('its members overlap its directory')
  return await reader.read(offset, lengthBytes)
}

/** Reads a descriptor in one of the two forms with signature; any other form is left in the gap
 *  before the next member. */
async function readDescriptor(
  reader: WindowedReader,
  offset: number,
  record: CentralRecord,
  limit: number,
): Promise<Buffer> {
  const available = Math.min(24, limit - offset)
  const bytes = await reader.read(offset, available)
  for (const wide of [true, false]) {
    const expected = expectedDescriptor(record, wide)
    if (bytes.subarray(0, expected.length).equals(expected)) return expected
  }
  return Buffer.alloc(0)
}

function checkAgreement(local: Buffer, record: CentralRecord): void {
  const flags = local.readUInt16LE(6)
  const compared = zipFlag.encrypted | zipFlag.descriptor | zipFlag.utf8
  if (((flags ^ record.flags) & compared) !== 0 || local.readUInt16LE(8) !== record.method) {
    throw new ZipOpaque('a local header disagrees with the directory')
  }
  const extraAt = localFixedBytes + local.readUInt16LE(26)
  const name = local.subarray(localFixedBytes, extraAt)
  if (!name.equals(record.nameBytes))
    throw new ZipOpaque('a local name disagrees with the directory')
  const extra = local.subarray(extraAt)
  if (hasOtherName(extra, name) || hasOtherName(record.extra, name))
    throw new ZipOpaque('a name disagrees with its Unicode form')
  const crc = local.readUInt32LE(14)
  const sizes = localSizes(local, extra)
  // With a descriptor, these values may be unknown here (some writers fill them in anyway).
  const mayBeUnknown = (flags & zipFlag.descriptor) !== 0
  const agrees =
    (crc === record.crc32 || (mayBeUnknown && crc === 0)) &&
    [
      [sizes.sizeBytes, record.sizeBytes],
      [sizes.storedBytes, record.storedBytes],
    ].every(
      ([size, expected]) =>
        size === expected || (mayBeUnknown && (size === 0 || size === escaped32)),
    )
  if (!agrees) throw new ZipOpaque('a local size or CRC disagrees with the directory')
}

/** APPNOTE 4.5.3: here, too, the ZIP64 field holds what is 0xffffffff in the header. */
function localSizes(local: Buffer, extra: Buffer): { sizeBytes: number; storedBytes: number } {
  let field = findExtra(extra, zip64Id) ?? Buffer.alloc(0)
  const sizeAt = (at: number): number => {
    const size = local.readUInt32LE(at)
    if (size !== escaped32 || field.length < 8) return size
    const wide = readUInt64(field, 0)
    field = field.subarray(8)
    return wide
  }
  return { sizeBytes: sizeAt(22), storedBytes: sizeAt(18) }
}

/** APPNOTE 4.6.9: a name in UTF-8, after a version and a CRC; some readers prefer it. */
function hasOtherName(extra: Buffer, name: Buffer): boolean {
  const field = findExtra(extra, 0x7075)
  return field !== undefined && !field.subarray(5).equals(name)
}

function decodeName(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    // Old tools write CP437 or a local code page without saying which; a guess could rename files.
    throw new ZipOpaque('a name is not UTF-8')
  }
}

function modifiedAt(record: CentralRecord): number {
  // Extended timestamp (0x5455), bit 0: modification time in Unix seconds, exact and in UTC.
  const extended = findExtra(record.extra, 0x5455)
  if (extended !== undefined && extended.length >= 5 && ((extended[0] ?? 0) & 1) === 1) {
    return extended.readInt32LE(1)
  }
  // GITHUB-PROTOCOL §14: the stock client writes DOS times in UTC.
  const { dosDate: date, dosTime: time } = record
  const day = Date.UTC(
    1980 + (date >>> 9),
    Math.max((date >>> 5) & 15, 1) - 1,
    Math.max(date & 31, 1),
  )
  return day / 1000 + (time >>> 11) * 3600 + ((time >>> 5) & 63) * 60 + (time & 31) * 2
}
