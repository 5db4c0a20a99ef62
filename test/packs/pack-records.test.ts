import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type MemberRecord,
  centralHeaderBytesMax,
  decodeCentralHeader,
  decodeEnd,
  encodeCentralHeader,
  encodeEnd,
  encodeLocalHeader,
  endRecordBytesMax,
  localHeaderBytes,
} from '../../src/packs/pack-records.ts'

const large = 0xffffffff
/** Values about the point where ZIP64 begins as often as any others. */
const size = fc.oneof(fc.nat(1000), fc.integer({ min: large - 2, max: large + 2 }), fc.maxSafeNat())
const record: fc.Arbitrary<MemberRecord> = fc.record({
  name: fc.stringMatching(/^[A-Za-z0-9_-]{22}(\.[1-9])?$/),
  codecMethod: fc.constantFrom(0, 8),
  crc32: fc.nat(0xffffffff),
  sizeBytes: size,
  lengthBytes: size,
  headerOffset: size,
})

function encodeCentral(member: MemberRecord): Buffer {
  const bytes = Buffer.alloc(centralHeaderBytesMax(member.name.length), 0xaa)
  return bytes.subarray(0, encodeCentralHeader(bytes, 0, member))
}

test('a central header is decoded as it was encoded, wherever it stands', () => {
  fc.assert(
    fc.property(record, fc.nat(50), fc.nat(50), (member, before, after) => {
      const bytes = Buffer.concat([
        Buffer.alloc(before, 1),
        encodeCentral(member),
        Buffer.alloc(after, 2),
      ])
      expect(decodeCentralHeader(bytes, before)).toEqual({ member, end: bytes.length - after })
    }),
  )
})

test('a central header that is not whole is none', () => {
  fc.assert(
    fc.property(record, fc.nat(), (member, cut) => {
      const bytes = encodeCentral(member)
      expect(decodeCentralHeader(bytes.subarray(0, cut % bytes.length), 0)).toBeUndefined()
    }),
  )
})

test('a local header has the announced length, and both sizes in its ZIP64 field or neither', () => {
  fc.assert(
    fc.property(record, (member) => {
      const bytes = Buffer.alloc(localHeaderBytes(member), 0xaa)
      expect(encodeLocalHeader(bytes, 0, member)).toBe(bytes.length)
      const isLarge = member.sizeBytes >= large || member.lengthBytes >= large
      expect(bytes.readUInt16LE(4)).toBe(isLarge ? 45 : member.codecMethod === 8 ? 20 : 10)
      expect(bytes.readUInt32LE(18)).toBe(isLarge ? large : member.lengthBytes)
      expect(bytes.readUInt32LE(22)).toBe(isLarge ? large : member.sizeBytes)
      if (!isLarge) return
      const extra = bytes.subarray(30 + member.name.length)
      expect(extra.readUInt16LE(0)).toBe(1)
      expect(extra.readUInt16LE(2)).toBe(16)
      expect(extra.readBigUInt64LE(4)).toBe(BigInt(member.sizeBytes))
      expect(extra.readBigUInt64LE(12)).toBe(BigInt(member.lengthBytes))
    }),
  )
})

test('the end is decoded as it was encoded, and has ZIP64 records only where a value needs them', () => {
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
        expect(end.length).toBe(needed ? endRecordBytesMax : 22)
        expect(decodeEnd(Buffer.concat([Buffer.alloc(before, 7), end]))).toEqual(directory)
      },
    ),
  )
})

test('an end with any bit changed is no end, or another one', () => {
  const directories = [
    { memberCount: 3, directoryBytes: 300, directoryOffset: 5000 },
    { memberCount: 70_000, directoryBytes: 9_000_000, directoryOffset: 2 ** 33 },
  ]
  for (const directory of directories) {
    const end = encodeEnd(directory)
    for (let bit = 0; bit < 8 * end.length; bit++) {
      const changed = Buffer.from(end)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(decodeEnd(changed)).not.toEqual(directory)
    }
  }
})
