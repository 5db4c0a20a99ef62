import fc from 'fast-check'
import { deflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { decodeTimes, encodeTimes } from '../../src/core/manifest/modification-times.ts'

const farthest = 2 ** 50
const time = fc.option(fc.integer({ min: -farthest, max: farthest }))

test('times survive a round trip, however far apart', () => {
  fc.assert(
    fc.property(fc.array(time, { maxLength: 600 }), (times) => {
      expect(decodeTimes(encodeTimes(times), times.length)).toEqual(times)
    }),
    { examples: [[[]], [Array.from({ length: 512 }, (_, at) => (at % 2 ? farthest : -farthest))]] },
  )
})

test('a page that inflates to more than its times can take is rejected', () => {
  const bomb = deflateRawSync(Buffer.alloc(64 * 1024 * 1024))
  expect(() => decodeTimes(bomb, 512)).toThrow(RangeError)
})
