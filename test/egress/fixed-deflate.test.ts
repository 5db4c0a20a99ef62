import fc from 'fast-check'
import { constants, inflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import {
  createFixedMeter,
  encodeFixedBlock,
  measureFixed,
} from '../../src/egress/tar/fixed-deflate.ts'

/** Bytes with runs of NULs of every length that has its own code, and around the longest match, and
 *  with stretches of bytes whose code is longest. */
const bytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.integer({ min: 1, max: 1200 }).map((length) => new Uint8Array(length)),
      fc.integer({ min: 1, max: 300 }).map((length) => new Uint8Array(length).fill(255)),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => Buffer.concat(pieces))

test('a final block inflates to its input', () => {
  fc.assert(
    fc.property(bytes, (content) => {
      expect(inflateRawSync(encodeFixedBlock(content, 'final')).equals(content)).toBe(true)
    }),
    { numRuns: 500 },
  )
})

test('a run of NULs of any length is encoded correctly', () => {
  for (let length = 0; length < 600; length++) {
    const content = Buffer.alloc(length)
    expect(inflateRawSync(encodeFixedBlock(content, 'final')).equals(content)).toBe(true)
  }
})

test('open blocks can be followed by each other and by anything else that begins at a byte', () => {
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 5 }), (contents) => {
      const open = Buffer.concat(contents.map((content) => encodeFixedBlock(content, 'open')))
      const whole = Buffer.concat(contents)
      const flushed = inflateRawSync(open, { finishFlush: constants.Z_SYNC_FLUSH })
      expect(flushed.equals(whole)).toBe(true)
      expect(inflateRawSync(Buffer.concat([open, Buffer.from([3, 0])])).equals(whole)).toBe(true)
    }),
    { numRuns: 200 },
  )
})

test('the length does not depend on the digits', () => {
  const digits = fc.stringMatching(/^[0-7]{11}$/)
  fc.assert(
    fc.property(digits, digits, (a, b) => {
      const lengthOf = (text: string): number =>
        encodeFixedBlock(Buffer.from(`${text}\0${text}`), 'open').length
      expect(lengthOf(a)).toBe(lengthOf(b))
    }),
  )
})

test('the length of a block can be computed piece by piece without encoding it', () => {
  const piece = bytes.map((content) => Buffer.concat([Buffer.from('n'), content]))
  const run = fc.integer({ min: 0, max: 1200 })
  const endings = fc.constantFrom('open' as const, 'final' as const)
  const allPieces = fc.array(fc.oneof(piece, run), { maxLength: 8 })
  fc.assert(
    fc.property(allPieces, endings, fc.boolean(), (pieces, ending, isFirst) => {
      const meter = createFixedMeter()
      if (!isFirst) {
        // The previous block must not affect the next.
        meter.add(measureFixed(Buffer.from('before\0\0')))
        meter.takeBlock('open')
      }
      for (const each of pieces) {
        if (typeof each === 'number') meter.addNuls(each)
        else meter.add(measureFixed(each))
      }
      const content = Buffer.concat(
        pieces.map((each) => (typeof each === 'number' ? Buffer.alloc(each) : each)),
      )
      expect(meter.lengthBytes).toBe(content.length)
      expect(meter.takeBlock(ending)).toBe(encodeFixedBlock(content, ending).length)
    }),
    { numRuns: 500 },
  )
})

test('golden: the bytes of a block never change', () => {
  const content = Buffer.from(`name${'\0'.repeat(300)}0000644\0ÿ`)
  const block = encodeFixedBlock(content, 'final')
  expect(block.toString('hex')).toMatchInlineSnapshot(`"cb4bcc4d65180544030303030333131386c3fb01"`)
  // Also the bits that fill its last byte.
  const blocks = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((nines) => {
    const nine = Buffer.alloc(nines, 255)
    return [encodeFixedBlock(nine, 'open'), encodeFixedBlock(nine, 'final')]
  })
  expect(digestOf(Buffer.concat(blocks))).toMatchInlineSnapshot(
    `"0cb8c51246c01a9a1bff3bc8c718e87cc9e4439e087d63da70dfc4f206f88c8a"`,
  )
})
