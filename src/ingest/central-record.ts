/** One header of an uploaded zip's central directory. APPNOTE 4.3.12 (central header), 4.5.3 (ZIP64 extra). */
import type { WindowedReader } from './staged-reader.ts'
import { ZipOpaque } from './zip-opaque.ts'

export interface CentralRecord {
  raw: Buffer
  nameBytes: Buffer
  flags: number
  method: number
  crc32: number
  storedBytes: number
  sizeBytes: number
  localOffset: number
  madeBy: number
  externalAttributes: number
  dosTime: number
  dosDate: number
  extra: Buffer
}

const centralFixedBytes = 46

/** The central header at `offset`, which must end by `limit`. Its bytes are valid until the reader's next read.
 *  Throws ZipOpaque when there is none. */
export async function readCentralRecord(
  reader: WindowedReader,
  offset: number,
  limit: number,
): Promise<CentralRecord> {
  if (offset + centralFixedBytes > limit) throw new ZipOpaque('its central directory is too short')
  const fixed = await reader.read(offset, centralFixedBytes)
  if (fixed.readUInt32LE(0) !== 0x02014b50) {
    throw new ZipOpaque('its central directory holds something else')
  }
  const nameLength = fixed.readUInt16LE(28)
  const extraLength = fixed.readUInt16LE(30)
  const length = centralFixedBytes + nameLength + extraLength + fixed.readUInt16LE(32)
  if (offset + length > limit) throw new ZipOpaque('its central directory is too short')
  const raw = await reader.read(offset, length)
  const extra = raw.subarray(
    centralFixedBytes + nameLength,
    centralFixedBytes + nameLength + extraLength,
  )
  const wide = readZip64Extra(extra, {
    sizeBytes: raw.readUInt32LE(24),
    storedBytes: raw.readUInt32LE(20),
    localOffset: raw.readUInt32LE(42),
  })
  return {
    raw,
    nameBytes: raw.subarray(centralFixedBytes, centralFixedBytes + nameLength),
    flags: raw.readUInt16LE(8),
    method: raw.readUInt16LE(10),
    crc32: raw.readUInt32LE(16),
    ...wide,
    madeBy: raw.readUInt16LE(4),
    externalAttributes: raw.readUInt32LE(38),
    dosTime: raw.readUInt16LE(12),
    dosDate: raw.readUInt16LE(14),
    extra,
  }
}

interface WideFields {
  sizeBytes: number
  storedBytes: number
  localOffset: number
}

/** APPNOTE 4.5.3: the extra holds, in this order, only those fields that are 0xffffffff in the header. */
function readZip64Extra(extra: Buffer, fields: WideFields): WideFields {
  const escaped = 0xffffffff
  if (
    fields.sizeBytes !== escaped &&
    fields.storedBytes !== escaped &&
    fields.localOffset !== escaped
  ) {
    return fields
  }
  const body = findExtra(extra, 0x0001)
  if (body === undefined) return fields
  let at = 0
  const take = (value: number): number => {
    if (value !== escaped) return value
    if (at + 8 > body.length) throw new ZipOpaque('a ZIP64 field is missing')
    const wide = body.readBigUInt64LE(at)
    at += 8
    if (wide > BigInt(Number.MAX_SAFE_INTEGER)) throw new ZipOpaque('a ZIP64 field is out of range')
    return Number(wide)
  }
  return {
    sizeBytes: take(fields.sizeBytes),
    storedBytes: take(fields.storedBytes),
    localOffset: take(fields.localOffset),
  }
}

/** The body of the first extra field with this id. */
export function findExtra(extra: Buffer, id: number): Buffer | undefined {
  for (let at = 0; at + 4 <= extra.length;) {
    const length = extra.readUInt16LE(at + 2)
    if (at + 4 + length > extra.length) return undefined
    if (extra.readUInt16LE(at) === id) return extra.subarray(at + 4, at + 4 + length)
    at += 4 + length
  }
  return undefined
}
