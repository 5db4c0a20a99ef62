import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { crc32 } from '../../src/core/bytes/crc32.ts'
import { limits } from '../../src/core/limits.ts'
import { arePagesIntact, checksOf, createCheckWriter } from '../../src/packs/format/page-checks.ts'

test('checks are the little-endian CRC-32 of each page, however the stream is split', () => {
  const page = limits.checkPageBytes
  for (const size of [0, 1, page - 1, page, page + 1, 2 * page + 5]) {
    const bytes = randomBytes(size)
    const checks = checksOf(bytes)
    expect(checks.length).toBe(4 * Math.ceil(size / page))
    for (let index = 0; index * page < size; index++) {
      expect(checks.readUInt32LE(4 * index)).toBe(
        crc32(bytes.subarray(index * page, (index + 1) * page)),
      )
    }
    const writer = createCheckWriter()
    for (let at = 0; at < size; at += 300_001) writer.write(bytes.subarray(at, at + 300_001))
    expect(writer.finish()).toEqual(checks)
  }
})

test('any whole pages of an intact stream match, and a page with one flipped bit does not', () => {
  const page = limits.checkPageBytes
  const bytes = randomBytes(3 * page + 77)
  const checks = checksOf(bytes)
  for (let first = 0; first < 4; first++) {
    for (let end = first; end <= 4; end++) {
      const pages = bytes.subarray(first * page, end * page)
      expect(arePagesIntact(checks, first, pages)).toBe(true)
    }
  }
  bytes[2 * page + 5]! ^= 4
  expect(arePagesIntact(checks, 0, bytes.subarray(0, 2 * page))).toBe(true)
  expect(arePagesIntact(checks, 3, bytes.subarray(3 * page))).toBe(true)
  expect(arePagesIntact(checks, 1, bytes.subarray(page))).toBe(false)
  expect(arePagesIntact(checks, 2, bytes.subarray(2 * page))).toBe(false)
})
