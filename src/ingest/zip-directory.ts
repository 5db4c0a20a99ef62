/** The central directory of an uploaded zip: found, bounded and read into columns. Says why a zip cannot be taken apart
 *  (`ZipOpaque`, the zip is then kept whole) and refuses one that is cut short.
 *
 *  APPNOTE 4.3.14–4.3.16 (ZIP64 end record, locator, end record). */
import { storeError, tooLarge } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { type CentralRecord, readCentralRecord } from './central-record.ts'
import { type StagedReader, windowed } from './staged-reader.ts'
import { ZipOpaque } from './zip-opaque.ts'

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

const endBytes = 22
const commentBytesMax = 0xffff

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
  const reason = `the zip has ${count} entries, more than ${entriesMax}`
  throw tooLarge('entries of one artifact', entriesMax, reason, 'TROVE_MAX_ENTRIES')
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
    const reason = `the zip holds ${logical} bytes, more than ${artifactBytesMax}`
    throw tooLarge('logical bytes of one artifact', artifactBytesMax, reason, 'TROVE_MAX_ARTIFACT')
  }
  const ratioMax = limits.inflateRatioMax
  if (logical > limits.inflateFreeBytes + stored * ratioMax) {
    const reason = `the zip inflates ${stored} bytes to ${logical}, more than 1:${ratioMax}`
    throw tooLarge('inflate ratio', ratioMax, reason)
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
