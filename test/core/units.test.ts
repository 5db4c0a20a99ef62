import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatCount, formatExactSize, formatPeriod, parseSizeBytes } from '../../src/core/units.ts'

test('a size survives a round trip through its exact form', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.maxSafeNat(),
        fc.nat(2000).map((count) => count * 1024 ** 3),
      ),
      (bytes) => {
        expect(parseSizeBytes(formatExactSize(bytes))).toBe(bytes)
      },
    ),
  )
  expect([0, 500e6, 64 * 1024 ** 3, 1001].map(formatExactSize)).toEqual([
    '0B',
    '500MB',
    '64GiB',
    '1001B',
  ])
})

test('counts are grouped as in English, without loading locale data', () => {
  fc.assert(
    fc.property(fc.oneof(fc.nat(20_000), fc.maxSafeNat()), (count) => {
      expect(formatCount(count)).toBe(count.toLocaleString('en'))
    }),
  )
})

test.each([
  [3 * 24 * 3600e3, '3 days'],
  // Between two times of an upload.
  [3 * 24 * 3600e3 + 1, '3 days'],
  [24 * 3600e3 - 1, '1 day'],
  [36 * 3600e3, '36 hours'],
])('a period of %d ms is %s', (ms, text) => {
  expect(formatPeriod(ms)).toBe(text)
})
