import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import {
  centralHeader,
  endRecords,
  localHeader,
  type ZipMemberFacts,
} from '../../src/egress/zip/zip-headers.ts'

const large = 0xffffffff
const sizes = [0, 1, large - 1, large, large + 1, 2 ** 40 + 5]

const members: ZipMemberFacts[] = ['a.txt', 'directory/', 'ä/ö.bin'].flatMap((name) =>
  [null, -1, 0, 1_700_000_001, 1e10, 1e15].flatMap((modifiedAt) =>
    ([0, 8] as const).flatMap((method) =>
      sizes.flatMap((sizeBytes) =>
        sizes.map((storedBytes) => ({
          name,
          mode: method === 0 ? 0o100644 : 0o040755,
          modifiedAt,
          method,
          crc32: 0xfedcba98,
          sizeBytes,
          storedBytes,
        })),
      ),
    ),
  ),
)

// Invariant 6: one artifact yields the same zip bytes forever.
test('golden: the headers and end records of a zip never change', () => {
  const local = Buffer.concat(members.map(localHeader))
  expect(digestOf(local)).toMatchInlineSnapshot(
    `"7994b8466f98ceb0b45df56beeaadeeb9df67ecb2857330eb69d885faa7d8f49"`,
  )
  const central = Buffer.concat(
    members.flatMap((member) => sizes.map((offset) => centralHeader(member, offset))),
  )
  expect(digestOf(central)).toMatchInlineSnapshot(
    `"d153656929606b3bc633e496ec85fca2a2a27e77d4f277dec98c05dbc31b6c9f"`,
  )
  const ends = [0, 1, 0xfffe, 0xffff, 70_000].flatMap((count) =>
    sizes.flatMap((localBytes) =>
      sizes.map((centralBytes) => endRecords({ members: count, localBytes, centralBytes })),
    ),
  )
  expect(digestOf(Buffer.concat(ends))).toMatchInlineSnapshot(
    `"2454d2848ca7250bba98b20e63ceb813cb02b610d079fc7d55eab616a0cce773"`,
  )
})

test('times are to the even second, in UTC, and those that a zip cannot express become its first or last', () => {
  const read = (time: number | null): string => {
    const header = localHeader({ ...members[0]!, modifiedAt: time === null ? null : time / 1000 })
    const [clock, date] = [header.readUInt16LE(10), header.readUInt16LE(12)]
    const two = (value: number): string => String(value).padStart(2, '0')
    const day = [1980 + (date >>> 9), two((date >>> 5) & 15), two(date & 31)].join('-')
    return `${day} ${[clock >>> 11, (clock >>> 5) & 63, (clock & 31) * 2].map(two).join(':')}`
  }
  expect(read(null)).toBe('1980-01-01 00:00:00')
  expect(read(Date.UTC(1979, 11, 31, 23, 59, 59))).toBe('1980-01-01 00:00:00')
  expect(read(Date.UTC(1980, 1, 29, 12, 34, 57))).toBe('1980-02-29 12:34:56')
  expect(read(Date.UTC(2107, 5, 6, 7, 8, 9))).toBe('2107-06-06 07:08:08')
  expect(read(Date.UTC(2107, 11, 31, 23, 59, 59))).toBe('2107-12-31 23:59:58')
  expect(read(Date.UTC(2108, 0, 1))).toBe('2107-12-31 23:59:58')
  expect(read(1e18)).toBe('2107-12-31 23:59:58')
})
