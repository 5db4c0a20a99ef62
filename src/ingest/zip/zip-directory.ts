/** Finds, bounds and reads the central directory of an uploaded zip into columns. Throws
 *  `ZipOpaque` with the reason when a zip cannot be taken apart (it is then kept whole), and
 *  rejects a truncated one. */
import { storeError, tooLarge } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import {
  decodeEnd,
  findEndRecord,
  localFixedBytes,
  zipFlag,
  zipTailBytesMax,
} from '../../core/zip/zip-records.ts'
import { byteBudget } from '../byte-budget.ts'
import { tooManyEntries } from '../entry-table.ts'
import { type CentralRecord, readCentralRecord } from './central-record.ts'
import { type StagedReader, windowed } from '../staging/staged-reader.ts'
import { ZipOpaque } from './zip-opaque.ts'

export interface ZipDirectory {
  readonly count: number
  /** Offsets of the directory and of the bytes after it. */
  readonly start: number
  readonly end: number
  /** Columns, in directory order. */
  readonly recordOffset: Float64Array
  readonly localOffset: Float64Array
  readonly storedBytes: Float64Array
  readonly sizeBytes: Float64Array
  readonly method: Uint8Array
  /** Positions in the order of local headers. */
  readonly localOrder: Uint32Array
  /** Whether the directory is already in that order. */
  readonly inLocalOrder: boolean
}

/** Errors: bad_archive (truncated, or not a zip), too_large (entries, logical bytes, inflate
 *  ratio). Throws ZipOpaque. */
export async function readZipDirectory(
  reader: StagedReader,
  bounds: { entriesMax: number; artifactBytesMax: number },
): Promise<ZipDirectory> {
  const end = await findEnd(reader)
  if (end.count > bounds.entriesMax) throw tooManyEntries(bounds.entriesMax)
  const { count } = end
  const columns = {
    recordOffset: new Float64Array(count),
    localOffset: new Float64Array(count),
    storedBytes: new Float64Array(count),
    sizeBytes: new Float64Array(count),
    method: new Uint8Array(count),
  }
  const records = windowed(reader)
  let at = end.start
  for (let index = 0; index < count; index++) {
    const record = await readCentralRecord(records, at, end.end)
    checkSupported(record)
    columns.recordOffset[index] = at
    columns.localOffset[index] = record.localOffset
    columns.storedBytes[index] = record.storedBytes
    columns.sizeBytes[index] = record.sizeBytes
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
    count,
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
    storeError('bad_archive', `the zip is rejected: ${reason} (${reader.sizeBytes} bytes)`, {
      reason,
    })
  const tailBytes = Math.min(reader.sizeBytes, zipTailBytesMax)
  const tailOffset = reader.sizeBytes - tailBytes
  const tail = await reader.read(tailOffset, tailBytes)
  const at = findEndRecord(tail)
  if (at < 0) throw cut('it has no end record: it is truncated or not a zip')
  const end = decodeEnd(tail, at, tailOffset)
  if (end === undefined) throw new ZipOpaque('its ZIP64 end record is missing or out of range')
  if (end.disk !== 0 && end.disk !== 0xffff) throw new ZipOpaque('it spans several disks')
  const { memberCount: count, directoryOffset: start } = end
  const directoryEnd = start + end.directoryBytes
  if (directoryEnd > end.offset) throw cut('its central directory lies outside the file')
  if (directoryEnd < end.offset) throw new ZipOpaque('its offsets do not match its positions')
  return { count, start, end: directoryEnd }
}

function checkSupported(record: CentralRecord): void {
  const encryption = zipFlag.encrypted | zipFlag.stronglyEncrypted | zipFlag.masked
  if ((record.flags & encryption) !== 0) throw new ZipOpaque('it is encrypted')
  if (record.method !== 0 && record.method !== 8) {
    throw new ZipOpaque(`it uses compression method ${record.method}`)
  }
  if (record.method === 0 && record.storedBytes !== record.sizeBytes) {
    throw new ZipOpaque('a stored member has two different sizes')
  }
}

/** Declared sizes alone bound the cost of inflating; each member is checked against its own
 *  later. */
function checkSizes(
  columns: Pick<ZipDirectory, 'storedBytes' | 'sizeBytes'>,
  artifactBytesMax: number,
): void {
  let stored = 0
  let logical = 0
  for (let index = 0; index < columns.sizeBytes.length; index++) {
    stored += columns.storedBytes[index]!
    logical += columns.sizeBytes[index]!
  }
  byteBudget(artifactBytesMax).count(logical)
  const ratioMax = limits.inflateRatioMax
  if (logical > limits.inflateFreeBytes + stored * ratioMax) {
    const reason = `the zip inflates ${stored} bytes to ${logical}, more than 1:${ratioMax}`
    throw tooLarge('inflate ratio', ratioMax, reason)
  }
}

/** No member may begin before the earliest possible end of the one before it; the exact ends are
 *  checked with the local headers. */
function checkOverlap(
  columns: Pick<ZipDirectory, 'localOffset' | 'storedBytes'>,
  localOrder: Uint32Array,
  directoryStart: number,
): void {
  let end = 0
  for (const index of localOrder) {
    if (columns.localOffset[index]! < end) throw new ZipOpaque('its members overlap')
    end = columns.localOffset[index]! + localFixedBytes + columns.storedBytes[index]!
  }
  if (end > directoryStart) throw new ZipOpaque('its members overlap its directory')
}
