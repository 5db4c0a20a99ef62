/** Content that deflate would not shorten is stored at once. */
import { createCipheriv, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { brotliCompressSync, deflateRawSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isIncompressible } from '../../src/packs/codec/incompressible.ts'

const text = Buffer.concat(
  ['README.md', 'src/README.md', 'CHANGELOG.md', 'package-lock.json'].map((path) =>
    readFileSync(new URL(`../../${path}`, import.meta.url)),
  ),
)
const cipher = createCipheriv('aes-128-ctr', randomBytes(16), randomBytes(16))
const repeated = (bytes: number): Buffer => {
  const once = randomBytes(bytes)
  return Buffer.concat(Array.from({ length: Math.ceil(65_536 / bytes) }, () => once))
}
/** Bytes of so many values, evenly spread. */
const ofValues = (count: number): Buffer =>
  randomBytes(65_536).map((byte) => byte % count) as Buffer

test.each([
  ['random bytes', randomBytes(65_536)],
  ['few random bytes', randomBytes(4096)],
  ['many random bytes', randomBytes(1_000_000)],
  ['what gzip made of text', gzipSync(text).subarray(64)],
  ['what Brotli made of text', brotliCompressSync(text)],
  ['encrypted text', cipher.update(text)],
])('%s are incompressible', (_what, bytes) => {
  expect(isIncompressible(bytes)).toBe(true)
})

test.each([
  ['no bytes', Buffer.alloc(0)],
  ['fewer than 4 KiB', randomBytes(4095)],
  ['zeros', Buffer.alloc(65_536)],
  ['text', text],
  ['random bytes in Base64', Buffer.from(randomBytes(50_000).toString('base64'))],
  ['128 values', ofValues(128)],
  ['all but six values', ofValues(250)],
  ['random bytes twice', repeated(32_768)],
  ['random bytes often', repeated(3000)],
  [
    'random bytes, the second half of them twice',
    Buffer.concat([randomBytes(30_000), repeated(30_000)]),
  ],
  ['a program', readFileSync(process.execPath).subarray(2 ** 20, 2 ** 20 + 65_536)],
  ['random bytes among text', Buffer.concat([randomBytes(50_000), text.subarray(0, 15_000)])],
])('%s are not', (_what, bytes) => {
  expect(isIncompressible(bytes)).toBe(false)
})

test('deflate saves little of what is incompressible, whatever it is mixed from', () => {
  const piece = fc.oneof(
    fc.integer({ min: 1, max: 40_000 }).map((size) => randomBytes(size)),
    fc.integer({ min: 1, max: 4000 }).map((size) => text.subarray(size, 2 * size)),
    fc.integer({ min: 1, max: 4000 }).map((size) => Buffer.alloc(size)),
  )
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
      const bytes = Buffer.concat(pieces)
      if (!isIncompressible(bytes)) return
      // Bytes of which more than a twentieth is text or zeros lack the entropy. Deflate can save
      // all of these, where they repeat each other.
      expect(deflateRawSync(bytes).length).toBeGreaterThan(0.93 * bytes.length)
    }),
    { numRuns: 200 },
  )
})
