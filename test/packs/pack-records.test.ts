import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import {
  centralHeaderBytes,
  localHeaderBytes,
  type ZipHeaderFacts,
} from '../../src/core/zip/zip-encoder.ts'
import { endBytesMax } from '../../src/core/zip/zip-records.ts'
import {
  decodeCentralHeader,
  decodeEnd,
  decodeLocalHeader,
  encodeCentralHeader,
  encodeEnd,
  encodeLocalHeader,
} from '../../src/packs/format/pack-records.ts'

const large = 0xffffffff
/** Sizes around the ZIP64 threshold as often as any others. */
const size = fc.oneof(fc.nat(1000), fc.integer({ min: large - 2, max: large + 2 }), fc.maxSafeNat())
const facts: fc.Arbitrary<ZipHeaderFacts> = fc.record({
  name: fc.stringMatching(/^[A-Za-z0-9_-]{22}(\.[1-9])?$/),
  method: fc.constantFrom(0, 8),
  crc32: fc.nat(0xffffffff),
  sizeBytes: size,
  storedBytes: size,
})

function encodeCentral(member: ZipHeaderFacts, localOffset: number): Buffer {
  const bytes = Buffer.alloc(centralHeaderBytes(member, localOffset), 0xaa)
  expect(encodeCentralHeader(bytes, 0, member, localOffset)).toBe(bytes.length)
  return bytes
}

function encodeLocal(member: ZipHeaderFacts): Buffer {
  const bytes = Buffer.alloc(localHeaderBytes(member), 0xaa)
  expect(encodeLocalHeader(bytes, 0, member)).toBe(bytes.length)
  return bytes
}

test('a central header is decoded as it was encoded, wherever it begins', () => {
  fc.assert(
    fc.property(facts, size, fc.nat(50), fc.nat(50), (member, localOffset, before, after) => {
      const bytes = Buffer.concat([
        Buffer.alloc(before, 1),
        encodeCentral(member, localOffset),
        Buffer.alloc(after, 2),
      ])
      const end = bytes.length - after
      expect(decodeCentralHeader(bytes, before)).toEqual({ member, localOffset, end })
    }),
  )
})

test('an incomplete central header is not decoded', () => {
  fc.assert(
    fc.property(facts, size, fc.nat(), (member, localOffset, cut) => {
      const bytes = encodeCentral(member, localOffset)
      expect(decodeCentralHeader(bytes.subarray(0, cut % bytes.length), 0)).toBeUndefined()
    }),
  )
})

test('a local header has the announced length, and both sizes in its ZIP64 field or neither', () => {
  fc.assert(
    fc.property(facts, (member) => {
      const bytes = encodeLocal(member)
      const isLarge = member.sizeBytes >= large || member.storedBytes >= large
      expect(bytes.readUInt16LE(4)).toBe(isLarge ? 45 : member.method === 8 ? 20 : 10)
      expect(bytes.readUInt32LE(18)).toBe(isLarge ? large : member.storedBytes)
      expect(bytes.readUInt32LE(22)).toBe(isLarge ? large : member.sizeBytes)
      if (!isLarge) return
      const extra = bytes.subarray(30 + member.name.length)
      expect(extra.readUInt16LE(0)).toBe(1)
      expect(extra.readUInt16LE(2)).toBe(16)
      expect(extra.readBigUInt64LE(4)).toBe(BigInt(member.sizeBytes))
      expect(extra.readBigUInt64LE(12)).toBe(BigInt(member.storedBytes))
    }),
  )
})

test('the end record is decoded as it was encoded, and has ZIP64 records only where a value needs them', () => {
  const count = fc.oneof(fc.integer({ min: 0xfffd, max: 0x10001 }), fc.maxSafeNat())
  fc.assert(
    fc.property(
      count,
      size,
      size,
      fc.nat(200),
      (memberCount, directoryBytes, directoryOffset, before) => {
        fc.pre(directoryOffset + directoryBytes <= Number.MAX_SAFE_INTEGER)
        const directory = { memberCount, directoryBytes, directoryOffset }
        const end = encodeEnd(directory)
        const needed = memberCount >= 0xffff || directoryBytes >= large || directoryOffset >= large
        expect(end.length).toBe(needed ? endBytesMax : 22)
        const offset = directoryOffset + directoryBytes
        const tail = Buffer.concat([Buffer.alloc(before, 7), end])
        expect(decodeEnd(tail, offset - before)).toEqual({ ...directory, offset, disk: 0 })
      },
    ),
  )
})

test('an end record with any bit changed is invalid or a different one', () => {
  const directories = [
    { memberCount: 3, directoryBytes: 300, directoryOffset: 5000 },
    { memberCount: 70_000, directoryBytes: 9_000_000, directoryOffset: 2 ** 33 },
  ]
  for (const directory of directories) {
    const end = encodeEnd(directory)
    for (let bit = 0; bit < 8 * end.length; bit++) {
      const changed = Buffer.from(end)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      const offset = directory.directoryOffset + directory.directoryBytes
      expect(decodeEnd(changed, offset) ?? {}).not.toMatchObject(directory)
    }
  }
})

test('records of all ones, as erased flash reads, are damage and not a crash', () => {
  expect(decodeEnd(Buffer.alloc(endBytesMax, 0xff), 0)).toBeUndefined()
  const member = {
    name: 'abcdefghijklmnopqrstuv',
    method: 8,
    crc32: 1,
    sizeBytes: large,
    storedBytes: large,
  } as const
  const local = encodeLocal(member)
  expect(decodeLocalHeader(local)).toEqual({ member, end: local.length })
  expect(decodeLocalHeader(local.fill(0xff, local.length - 16))).toBeUndefined()
  const central = encodeCentral(member, large)
  expect(decodeCentralHeader(central.fill(0xff, central.length - 24), 0)).toBeUndefined()
  const end = encodeEnd({ memberCount: 0xffff, directoryBytes: 1, directoryOffset: 0 })
  expect(decodeEnd(end.fill(0xff, 24, 56), 1)).toBeUndefined()
})

// Scrub treats anything that this program would not have written as damage.
test('golden: the headers and the end record of a pack never change', () => {
  const sizes = [0, 1, large - 1, large, large + 1, 2 ** 40 + 5]
  const members = ['abcdefghijklmnopqrstuv', 'joined-000000000000042.txt'].flatMap((name) =>
    ([0, 8] as const).flatMap((method) =>
      sizes.flatMap((sizeBytes) =>
        sizes.map((storedBytes) => ({ name, method, crc32: 0xfedcba98, sizeBytes, storedBytes })),
      ),
    ),
  )
  const local = members.map(encodeLocal)
  expect(digestOf(Buffer.concat(local))).toMatchInlineSnapshot(
    `"5b169836871b074982699f71aa20d80237352d9043b52ad9b2e942d428e29227"`,
  )
  const central = members.flatMap((member) => sizes.map((offset) => encodeCentral(member, offset)))
  expect(digestOf(Buffer.concat(central))).toMatchInlineSnapshot(
    `"3e41bf3bb555d5e7b2642aa7c85efb2d765d00447b774ede0e641dedfe7a0400"`,
  )
  const ends = [0, 1, 0xfffe, 0xffff, 70_000].flatMap((memberCount) =>
    sizes.flatMap((directoryBytes) =>
      sizes.map((directoryOffset) => encodeEnd({ memberCount, directoryBytes, directoryOffset })),
    ),
  )
  expect(digestOf(Buffer.concat(ends))).toMatchInlineSnapshot(
    `"078bd383bb7719d645d080d80efc8f0018ea7d88b5a11f75f674f6e751a75599"`,
  )
})
