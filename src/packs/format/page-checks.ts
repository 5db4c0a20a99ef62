/** CRC-32s of the pages of a stream, with which any slice can be checked without reading the
 *  rest. */
import { asBuffer } from '../../core/bytes/as-buffer.ts'
import { crc32 } from '../../core/bytes/crc32.ts'
import { limits } from '../../core/limits.ts'

/** Computes the CRC-32 of each page of a stream that is written in pieces. */
export interface CheckWriter {
  write(bytes: Uint8Array): void
  /** Returns the checks so far, in the form of `Copy.checks`: 4 bytes per page begun. */
  finish(): Buffer
}

export function createCheckWriter(): CheckWriter {
  const pages: number[] = []
  let page = 0
  let pageBytes = 0
  return {
    write: (bytes) => {
      for (let at = 0; at < bytes.length;) {
        const slice = bytes.subarray(at, at + limits.checkPageBytes - pageBytes)
        page = crc32(slice, page)
        pageBytes += slice.length
        at += slice.length
        if (pageBytes < limits.checkPageBytes) continue
        pages.push(page)
        page = 0
        pageBytes = 0
      }
    },
    finish: () => {
      const all = pageBytes > 0 ? [...pages, page] : pages
      const checks = Buffer.alloc(4 * all.length)
      for (const [index, check] of all.entries()) checks.writeUInt32LE(check, 4 * index)
      return checks
    },
  }
}

/** Returns the `Copy.checks` of a stream in memory; an empty stream has none. */
export function checksOf(stream: Uint8Array): Buffer {
  if (stream.length > 0 && stream.length <= limits.checkPageBytes) {
    const checks = Buffer.allocUnsafe(4)
    checks.writeUInt32LE(crc32(stream))
    return checks
  }
  const writer = createCheckWriter()
  writer.write(stream)
  return writer.finish()
}

/** Whether `bytes` match the checks from page `page` on. `bytes` must be whole pages, except that
 *  the last page of a stream may be shorter. */
export function arePagesIntact(checks: Uint8Array, page: number, bytes: Uint8Array): boolean {
  const expected = asBuffer(checks)
  for (let at = 0; at < bytes.length; at += limits.checkPageBytes) {
    const index = page + at / limits.checkPageBytes
    const actual = crc32(bytes.subarray(at, at + limits.checkPageBytes))
    if (actual !== expected.readUInt32LE(4 * index)) return false
  }
  return true
}
