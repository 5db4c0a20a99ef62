import fc from 'fast-check'
import { expect, test } from 'vitest'
import { combineCrc32, crc32 } from '../../src/core/bytes/crc32.ts'

test('the CRC-32 of the standard check string is the published value', () => {
  expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926)
  expect(crc32(new Uint8Array())).toBe(0)
})

test('a CRC continues from a seed', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      expect(crc32(b, crc32(a))).toBe(crc32(Buffer.concat([a, b])))
    }),
  )
})

test('nothing leaves a CRC as it is, also an array without memory', () => {
  for (const nothing of [new Uint8Array(), new Uint8Array(new ArrayBuffer(0)), Buffer.alloc(0)])
    expect(crc32(nothing, 5)).toBe(5)
})

test('the CRC of a concatenation is computed from the CRCs of its parts', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 700 })), (parts) => {
      const combined = parts.reduce((sum, part) => combineCrc32(sum, crc32(part), part.length), 0)
      expect(combined).toBe(crc32(Buffer.concat(parts)))
    }),
  )
})

test('combining is associative for lengths far beyond memory', () => {
  const word = fc.nat({ max: 0xffffffff })
  const length = fc.nat({ max: 2 ** 51 })
  fc.assert(
    fc.property(word, word, word, length, length, (a, b, c, lengthB, lengthC) => {
      const leftFirst = combineCrc32(combineCrc32(a, b, lengthB), c, lengthC)
      const rightFirst = combineCrc32(a, combineCrc32(b, c, lengthC), lengthB + lengthC)
      expect(leftFirst).toBe(rightFirst)
    }),
  )
})

test('lengths around the rows of the table are combined exactly', () => {
  for (const length of [255, 256, 257, 65_535, 65_536, 65_537, 16_777_216]) {
    const zeros = Buffer.alloc(length)
    expect(combineCrc32(0x12345678, crc32(zeros), length)).toBe(crc32(zeros, 0x12345678))
  }
})

test('an invalid length is rejected', () => {
  for (const length of [-1, 0.5, Number.NaN, 2 ** 53]) {
    expect(() => combineCrc32(1, 2, length)).toThrow(RangeError)
  }
})

test('combining 80,000 parts takes a fraction of a second of processor time', () => {
  const before = process.cpuUsage()
  let sum = 0
  for (let index = 0; index < 80_000; index++)
    sum = combineCrc32(sum, index, 16_384 + ((index * 7919) % 245_760))
  expect(process.cpuUsage(before).user).toBeLessThan(1_000_000)
  expect(sum).toBeGreaterThan(0)
})
