/** The central directory of an uploaded zip: found, bounded and read into columns. Says why a zip cannot be taken apart
 *  (`ZipOpaque`, the zip is then kept whole) and refuses one that is cut short.
 *
 *  APPNOTE 4.3.12 (central header), 4.3.14–4.3.16 (ZIP64 end record, locator, end record), 4.5.3 (ZIP64 extra). */
import { storeError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { type StagedReader, type WindowedReader, windowed } from './staged-reader.ts'

/** Thrown when a whole, readable zip cannot be taken apart safely; `message` is the reason shown to users. */
export class ZipOpaque extends Error {
  override readonly name = 'ZipOpaque'
}

export interface ZipDirectory {
  readonly count: number
  /** Where the directory begins, and where the bytes after it begin. */
  readonly start: number
  readonly end: number
  /** Columns, in directory order. */
  readonly recordOffset: Float64Array
  readonly localOffset: Float64Array
  readonly storedBytes: Float64Array
  readonly sizeBytes: Float64Array
  readonly crc32: Uint32Array
  readonly method: Uint8Array
  /** Positions in the order of local headers. */
  readonly localOrder: Uint32Array
  /** Whether the directory already is in that order. */
  readonly inLocalOrder: boolean
}

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

const endBytes = 22
const commentBytesMax = 0xffff
const centralFixedBytes = 46

/** Errors: bad_archive (cut short, or no zip), too_large (entries, logical bytes, inflate ratio). Throws ZipOpaque. */
export async function readZipDirectory(
  reader: StagedReader,
  bounds: { entriesMax: number; artifactBytesMax: number },
): Promise<ZipDirectory> {
  const end = await findEnd(reader)
  checkBounds(end.count, bounds.entriesMax)
  const columns = allocateColumns(end.count)
  const records = windowed(reader)
  let at = end.start
  for (let index = 0; index < end.count; index++) {
    const record = await readCentralRecord(records, at, end.end)
    checkSupported(record)
    columns.recordOffset[index] = at
    columns.localOffset[index] = record.localOffset
    columns.storedBytes[index] = record.storedBytes
    columns.sizeBytes[index] = record.sizeBytes
    columns.crc32[index] = record.crc32
    columns.method[index] = record.method
    at += record.raw.length
  }
  if (at !== end.end) throw new ZipOpaque('its central directory is longer than its entries')
  checkSizes(columns, bounds.artifactBytesMax)
  const localOrder = Uint32Array.from(columns.localOffset.keys()).sort(
    (a, b) => columns.localOffset[a]! - columns.localOffset[b]!,
  )
  checkOverlap(columns, localOrder, end.start)
  return {
    count: end.count,
    start: end.start,
    end: end.end,
    ...columns,
    localOrder,
    inLocalOrder: localOrder.every((position, index) => position === index),
  }
}

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

async function findEnd(
  reader: StagedReader,
): Promise<{ count: number; start: number; end: number }> {
  const cut = (reason: string): Error =>
    storeError('bad_archive', `the zip is refused: ${reason} (${reader.sizeBytes} bytes)`, {
      reason,
    })
  const tailBytes = Math.min(reader.sizeBytes, endBytes + commentBytesMax)
  const tail = await reader.read(reader.sizeBytes - tailBytes, tailBytes)
  let at = tail.length - endBytes
  // The comment may hold the signature's bytes; a real record's comment ends inside the file.
  while (
    at >= 0 &&
    !(
      tail.readUInt32LE(at) === 0x06054b50 &&
      at + endBytes + tail.readUInt16LE(at + 20) <= tail.length
    )
  ) {
    at -= 1
  }
  if (at < 0) throw cut('it has no end record, so it is cut short or no zip')
  const record = tail.subarray(at)
  const recordOffset = reader.sizeBytes - tailBytes + at
  const narrow = {
    disk: record.readUInt16LE(4),
    count: record.readUInt16LE(10),
    size: record.readUInt32LE(12),
    start: record.readUInt32LE(16),
  }
  const wide = await readZip64End(reader, recordOffset)
  const { count, size, start } = wide ?? narrow
  if (narrow.disk !== 0 && narrow.disk !== 0xffff) throw new ZipOpaque('it spans several disks')
  const limit = wide?.recordOffset ?? recordOffset
  if (start + size > limit) throw cut('its central directory lies outside of it')
  if (start + size < limit) throw new ZipOpaque('its offsets do not match its positions')
  return { count, start, end: start + size }
}

async function readZip64End(
  reader: StagedReader,
  endOffset: number,
): Promise<{ count: number; size: number; start: number; recordOffset: number } | undefined> {
  if (endOffset < 20) return undefined
  const locator = await reader.read(endOffset - 20, 20)
  if (locator.readUInt32LE(0) !== 0x07064b50) return undefined
  const recordOffset = Number(locator.readBigUInt64LE(8))
  if (recordOffset + 56 > endOffset) throw new ZipOpaque('its ZIP64 end record lies elsewhere')
  const record = await reader.read(recordOffset, 56)
  if (record.readUInt32LE(0) !== 0x06064b50) throw new ZipOpaque('its ZIP64 end record is missing')
  const field = (at: number): number => {
    const value = record.readBigUInt64LE(at)
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new ZipOpaque('a ZIP64 field is out of range')
    return Number(value)
  }
  return { count: field(32), size: field(40), start: field(48), recordOffset }
}

function checkBounds(count: number, entriesMax: number): void {
  if (count <= entriesMax) return
  throw storeError('too_large', `the zip has ${count} entries, more than ${entriesMax}`, {
    limit: 'entries of one artifact',
    limitValue: entriesMax,
    setting: 'TROVE_MAX_ENTRIES',
  })
}

function checkSupported(record: CentralRecord): void {
  // Bit 0: encrypted; bit 6: strong encryption; bit 13: masked headers.
  if ((record.flags & 0x2041) !== 0) throw new ZipOpaque('it is encrypted')
  if (record.method !== 0 && record.method !== 8) {
    throw new ZipOpaque(`it uses compression method ${record.method}`)
  }
  if (record.method === 0 && record.storedBytes !== record.sizeBytes) {
    throw new ZipOpaque('a stored member has two different sizes')
  }
}

/** Declared sizes alone already bound what inflating may cost; members are held to them one by one later. */
function checkSizes(
  columns: { storedBytes: Float64Array; sizeBytes: Float64Array },
  artifactBytesMax: number,
): void {
  let stored = 0
  let logical = 0
  for (let index = 0; index < columns.sizeBytes.length; index++) {
    stored += columns.storedBytes[index]!
    logical += columns.sizeBytes[index]!
  }
  if (logical > artifactBytesMax) {
    throw storeError('too_large', `the zip holds ${logical} bytes, more than ${artifactBytesMax}`, {
      limit: 'logical bytes of one artifact',
      limitValue: artifactBytesMax,
      setting: 'TROVE_MAX_ARTIFACT',
    })
  }
  if (logical > limits.inflateFreeBytes + stored * limits.inflateRatioMax) {
    throw storeError(
      'too_large',
      `the zip inflates ${stored} bytes to ${logical}, more than 1:${limits.inflateRatioMax}`,
      {
        limit: 'inflate ratio',
        limitValue: limits.inflateRatioMax,
        setting: null,
      },
    )
  }
}

/** No member may begin before the one before it can have ended; the exact ends are checked with the local headers. */
function checkOverlap(
  columns: { localOffset: Float64Array; storedBytes: Float64Array },
  localOrder: Uint32Array,
  directoryStart: number,
): void {
  let end = 0
  for (const index of localOrder) {
    if (columns.localOffset[index]! < end) throw new ZipOpaque('its members overlap')
    end = columns.localOffset[index]! + 30 + columns.storedBytes[index]!
  }
  if (end > directoryStart) throw new ZipOpaque('its members overlap its directory')
}

function allocateColumns(count: number): {
  recordOffset: Float64Array
  localOffset: Float64Array
  storedBytes: Float64Array
  sizeBytes: Float64Array
  crc32: Uint32Array
  method: Uint8Array
} {
  return {
    recordOffset: new Float64Array(count),
    localOffset: new Float64Array(count),
    storedBytes: new Float64Array(count),
    sizeBytes: new Float64Array(count),
    crc32: new Uint32Array(count),
    method: new Uint8Array(count),
  }
}
