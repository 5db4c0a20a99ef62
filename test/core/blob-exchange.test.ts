import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeWants, encodeWants } from '../../src/core/bytes/blob-exchange.ts'
import { limits } from '../../src/core/limits.ts'

const ascending = fc
  .uniqueArray(fc.nat(1_000_000), { maxLength: 50 })
  .map((numbers) => numbers.toSorted((a, b) => a - b))

test('wants survive a round trip', () => {
  fc.assert(
    fc.property(ascending, fc.array(fc.option(ascending), { maxLength: 50 }), (ordinals, parts) => {
      const wants = ordinals.map((ordinal, at) => ({ ordinal, parts: parts[at] ?? null }))
      expect(decodeWants(encodeWants(wants))).toEqual(wants)
    }),
  )
})

test('a request that names too many files and parts is rejected, and one at the limit is accepted', () => {
  const details = expect.objectContaining({ limitValue: limits.fetchedStreamsMax }) as unknown
  const refused = expect.objectContaining({ code: 'too_large', details }) as Error
  const files = (count: number): Buffer =>
    encodeWants(Array.from({ length: count }, (_, ordinal) => ({ ordinal, parts: null })))
  expect(decodeWants(files(limits.fetchedStreamsMax))).toHaveLength(limits.fetchedStreamsMax)
  expect(() => decodeWants(files(limits.fetchedStreamsMax + 1))).toThrow(refused)
  const partsOf = (count: number): Buffer =>
    encodeWants([{ ordinal: 0, parts: Array.from({ length: count }, (_, part) => part) }])
  expect(decodeWants(partsOf(limits.fetchedStreamsMax - 1))).toHaveLength(1)
  expect(() => decodeWants(partsOf(limits.fetchedStreamsMax))).toThrow(refused)
})
