/** The content of an object of changes, compressed with gzip: a line of JSON, then pages, each
 *  after its number (4 bytes, big-endian, from 1), in no order and none twice. */
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { blobDamaged } from '../../core/errors.ts'

export interface ChangesHeader {
  /** Size of a page and its number, in bytes. */
  recordBytes: number
  /** Length of the database after the changes. */
  pageCount: number
  /** Number of the last snapshot whose copying had ended before; null: none of the series. */
  completes: number | null
}

export type Pages = ReadonlyMap<number, Uint8Array>

const numberBytes = 4
/** Most pages of a SQLite database, and their sizes. */
const pagesMax = 2 ** 32 - 2
const pageSizes: readonly number[] = Array.from({ length: 8 }, (_, index) => 512 << index)
const newline = 0x0a
/** Upper bound on the content of an object. */
export const changesBytesMax: number = 64 * 1024 * 1024
const inflate = promisify(gunzip)

/** Yields the content in pieces of about a mebibyte. */
export function* encodeChanges(header: ChangesHeader, pages: Pages): Generator<Buffer> {
  yield Buffer.from(`${JSON.stringify(header)}\n`)
  const pieceBytes = Math.max(1, Math.floor(2 ** 20 / header.recordBytes)) * header.recordBytes
  let piece = Buffer.alloc(pieceBytes)
  let at = 0
  for (const [number, page] of pages) {
    piece.writeUInt32BE(number, at)
    piece.set(page, at + numberBytes)
    at += header.recordBytes
    if (at < pieceBytes) continue
    yield piece
    piece = Buffer.alloc(pieceBytes)
    at = 0
  }
  if (at > 0) yield piece.subarray(0, at)
}

/** Yields the numbers and pages of records. */
export function* readRecords(
  records: Uint8Array,
  recordBytes: number,
): Generator<[number: number, page: Uint8Array]> {
  const { buffer, byteOffset } = records
  const view = new DataView(buffer, byteOffset, records.length)
  for (let at = 0; at + recordBytes <= records.length; at += recordBytes)
    yield [view.getUint32(at), records.subarray(at + numberBytes, at + recordBytes)]
}

/** Errors: blob_damaged. */
export async function decodeChanges(
  key: string,
  bytes: Uint8Array,
): Promise<{ header: ChangesHeader; records: Buffer }> {
  try {
    // gzip ends with a checksum and the length of what it holds.
    const content = await inflate(bytes, { maxOutputLength: changesBytesMax })
    const end = content.indexOf(newline)
    const header = JSON.parse(content.toString('utf8', 0, end)) as ChangesHeader
    const { recordBytes, pageCount } = header
    const isLength = Number.isInteger(pageCount) && pageCount > 0 && pageCount <= pagesMax
    if (!isLength || !pageSizes.includes(recordBytes - numberBytes))
      throw new RangeError('the header is not that of changes')
    return { header, records: content.subarray(end + 1) }
  } catch (error) {
    throw blobDamaged(`the metadata changes ${key} are damaged`, [], { cause: error })
  }
}

export interface Copy {
  /** Writes changes over the copy. */
  write(header: ChangesHeader, records: Uint8Array): Promise<void>
  /** Makes the copy durable, with the length of the last changes. */
  close(): Promise<void>
}

/** Opens the copied file of a database for the changes since. */
export async function openCopy(path: string): Promise<Copy> {
  const file = await open(path, 'r+')
  return {
    write: async ({ recordBytes, pageCount }, records) => {
      const pageBytes = recordBytes - numberBytes
      for (const [number, page] of readRecords(records, recordBytes)) {
        if (number >= 1 && number <= pageCount)
          await file.write(page, 0, pageBytes, (number - 1) * pageBytes)
      }
      await file.truncate(pageCount * pageBytes)
    },
    close: async () => {
      try {
        await file.sync()
      } finally {
        await file.close()
      }
    },
  }
}
