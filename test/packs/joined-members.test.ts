/** The list of a joined member names every copy in it, or is no list. */
import { expect, test } from 'vitest'
import { joiningEnd } from '../../src/core/bytes/copy.ts'
import { crc32 } from '../../src/core/bytes/crc32.ts'
import {
  decodeList,
  deflateList,
  encodeList,
  type ListedCopy,
} from '../../src/packs/format/joined-members.ts'

const copies: ListedCopy[] = [
  { name: 'a', sizeBytes: 10, lengthBytes: 5 },
  { name: 'b', sizeBytes: 20, lengthBytes: 7 },
]
const joined = { sizeBytes: 30, storedBytes: 12 + joiningEnd.length }

function decode(
  list: Buffer,
  change: { crc?: number; sizeBytes?: number } = {},
  of = joined,
): ListedCopy[] | undefined {
  const announced = {
    crc32: (crc32(list) ^ (change.crc ?? 0)) >>> 0,
    sizeBytes: list.length + (change.sizeBytes ?? 0),
  }
  return decodeList(deflateList(list), announced, of)
}

test('a list that accounts for every byte of its member is read back', () => {
  expect(decode(encodeList(copies))).toEqual(copies)
})

test('a list that is damaged, not as it is written, or of other bytes is none', () => {
  const list = encodeList(copies)
  expect(decode(list, { crc: 1 })).toBe(undefined)
  for (const by of [-1, 1]) {
    expect(decode(list, { sizeBytes: by })).toBe(undefined)
    const { sizeBytes, storedBytes } = joined
    expect(decode(list, {}, { ...joined, sizeBytes: sizeBytes + by })).toBe(undefined)
    expect(decode(list, {}, { ...joined, storedBytes: storedBytes + by })).toBe(undefined)
  }
  expect(decode(Buffer.from('a 10 5\nb 020 7\n'))).toBe(undefined)
  // A copy alone has a member of its own.
  const [first] = copies
  const alone = { sizeBytes: 10, storedBytes: 5 + joiningEnd.length }
  expect(decode(encodeList([first!]), {}, alone)).toBe(undefined)
})
