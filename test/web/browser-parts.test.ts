/** The browser's own versions of records, streams, path order and times, checked against
 *  those of the server. */
import fc from 'fast-check'
import { crc32 as nodeCrc32, deflateRawSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { encodeOrdinals, recordKind, writeComposite } from '../../src/core/bytes/blob-exchange.ts'
import { createByteWriter } from '../../src/core/bytes/varint.ts'
import type { Digest } from '../../src/core/bytes/digest.ts'
import { comparePaths } from '../../src/core/manifest/entry.ts'
import { encodeTimes } from '../../src/core/manifest/modification-times.ts'
import { decodeCopy } from '../../src/packs/codec/codec.ts'
import { bestMatches } from '../../src/web/browser/fuzzy.ts'
import { crc32, encodeJoining } from '../../src/web/browser/joining.ts'
import * as wire from '../../src/web/browser/wire.ts'

describe('in a browser', () => {
  test('the store inflates a joining stream to the same bytes, and the stream is hardly longer than they are', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 100_000 }),
        fc.integer({ min: 1, max: 256 }),
        (bytes, letters) => {
          const content = bytes.map((byte) => byte % letters)
          const stream = encodeJoining(content)
          expect(decodeCopy('joining', stream, content.length)).toEqual(Buffer.from(content))
          expect(stream.length).toBeLessThanOrEqual(content.length + 128)
          expect(crc32(content)).toBe(nodeCrc32(content))
        },
      ),
      { numRuns: 200, examples: [[Buffer.from('text '.repeat(1000)), 256]] },
    )
  })

  test('paths are sorted by their UTF-8 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
        expect(Math.sign(wire.comparePaths(a, b))).toBe(Math.sign(comparePaths(a, b)))
      }),
      {
        examples: [
          ['\uffff', '😀'],
          ['a', 'a/b'],
          ['a-b', 'a/b'],
        ],
      },
    )
  })

  test('ordinals, composites and times are encoded as in Node', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(2 ** 40)), (numbers) => {
        const ordinals = numbers.toSorted((a, b) => a - b)
        expect(wire.decodeOrdinals(encodeOrdinals(ordinals))).toEqual(ordinals)
      }),
    )
    const digest = 'ab'.repeat(32)
    const body = wire.createWriter()
    wire.writeComposite(body, {
      digest,
      sizeBytes: 300_000,
      crc32: 4_000_000_000,
      parts: [{ digest, sizeBytes: 300_000 }],
    })
    const parts = [digest as Digest]
    const written = createByteWriter()
    writeComposite(written, {
      digest: digest as Digest,
      sizeBytes: 300_000,
      crc32: 4_000_000_000,
      parts,
    })
    expect(Buffer.from(body.bytes())).toEqual(written.bytes())
    expect(wire.recordKind).toEqual(recordKind)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -(2 ** 33), max: 2 ** 33 })), (times) => {
        const pack = (bytes: Uint8Array): Uint8Array => deflateRawSync(bytes, { level: 9 })
        expect(pack(wire.encodeTimes(times))).toEqual(encodeTimes(times))
      }),
    )
  })

  test('a few typed letters find the intended file', () => {
    const paths = [
      'src/web/page.tsx',
      'src/web/paths.ts',
      'test/web/pages.test.ts',
      'dist/module-042.js',
    ]
    expect(bestMatches(paths, 'page.tsx', 2)[0]).toBe('src/web/page.tsx')
    expect(bestMatches(paths, 'MOD042', 3)).toEqual(['dist/module-042.js'])
    expect(bestMatches(paths, 'mod 042', 3)).toEqual(['dist/module-042.js'])
    expect(bestMatches(paths, 'zzz', 3)).toEqual([])
  })
})
