import { expect, test } from 'vitest'
import {
  digestFromBytes,
  digestOf,
  digestToBytes,
  emptyDigest,
  formatWireDigest,
  parseDigest,
  parseWireDigest,
} from '../../src/core/bytes/digest.ts'

const hex = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

test('a digest has one spelling on each side', () => {
  expect(digestOf('')).toBe(hex)
  expect(emptyDigest).toBe(hex)
  expect(parseDigest(hex)).toBe(hex)
  expect(parseWireDigest(formatWireDigest(emptyDigest))).toBe(hex)
  expect(digestFromBytes(digestToBytes(emptyDigest))).toBe(hex)
  for (const bytes of [31, 33])
    expect(() => digestFromBytes(Buffer.alloc(bytes))).toThrow(RangeError)
})

test.each([
  '',
  hex.toUpperCase(),
  hex.slice(1),
  `0${hex}`,
  `${hex}0`,
  ` ${hex}`,
  `${hex}\n`,
  hex.replace('e', 'g'),
])('%j is no digest', (text) => {
  expect(parseDigest(text)).toBeUndefined()
  expect(parseWireDigest(`sha256:${text}`)).toBeUndefined()
})

test.each([hex, `SHA256:${hex}`, `sha512:${hex}`, `sha256-${hex}`, `xsha256:${hex}`])(
  '%j is no digest on the wire',
  (text) => {
    expect(parseWireDigest(text)).toBeUndefined()
  },
)
