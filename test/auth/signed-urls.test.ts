/** Signed URLs are valid for one target until one instant. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deriveKeys } from '../../src/auth/key.ts'
import {
  signTarget,
  verifyReading,
  verifyTarget,
  type SignedTarget,
} from '../../src/auth/signed-urls.ts'

const { signedUrls: key, tokens: otherKey } = deriveKeys(Buffer.alloc(32, 1))
const now = Date.UTC(2026, 0, 1)
const target: SignedTarget = { access: 'write', route: 'upload', id: 'a1b2' }

const targets = fc.record<SignedTarget>({
  access: fc.constantFrom('read', 'visit', 'write'),
  route: fc.constantFrom('upload', 'artifact'),
  id: fc.string(),
})
const files = fc.record<SignedTarget>({
  access: fc.constantFrom('read', 'visit'),
  route: fc.constant('file'),
  id: fc.constantFrom('1', '12'),
  path: fc.constantFrom('a', 'é', 'e\u0301', '2', '') as fc.Arbitrary<string>,
})

test('a signature verifies for its own target and no other', () => {
  fc.assert(
    fc.property(fc.oneof(targets, files), fc.oneof(targets, files), (signed, asked) => {
      const signature = signTarget(key, signed, now + 5000)
      const isSame =
        JSON.stringify([signed.access, signed.route, signed.id, signed.path]) ===
        JSON.stringify([asked.access, asked.route, asked.id, asked.path])
      const verify = (): void => verifyTarget(key, asked, signature, now)
      if (isSame) expect(verify).not.toThrow()
      else expect(verify).toThrow('signature')
    }),
  )
})

test('a URL reads with the access that it was signed for, until it expires', () => {
  fc.assert(
    fc.property(targets, ({ access, route, id }) => {
      const signature = signTarget(key, { access, route, id }, now + 5000)
      const accessAt = (at: number): string => verifyReading(key, { route, id }, signature, at)
      if (access === 'write') expect(() => accessAt(now)).toThrow('signature')
      else expect(accessAt(now)).toBe(access)
      expect(() => accessAt(now + 5000)).toThrow(access === 'write' ? 'signature' : 'expired')
    }),
  )
})

test('fields cannot be shifted into each other', () => {
  const signature = signTarget(key, { ...target, id: '12' }, 3_000_000)
  expect(() => {
    verifyTarget(key, { ...target, id: '1' }, { ...signature, se: `2${signature.se}` }, 0)
  }).toThrow('signature')
})

test('a signed URL expires at its second', () => {
  const signature = signTarget(key, target, now + 5999)
  expect(() => verifyTarget(key, target, signature, now + 4999)).not.toThrow()
  expect(() => verifyTarget(key, target, signature, now + 5000)).toThrow('expired')
})

test('changing the expiry makes the signature wrong', () => {
  const signature = signTarget(key, target, now)
  const later = { ...signature, se: String(Number(signature.se) + 3600) }
  expect(() => verifyTarget(key, target, later, now)).toThrow('signature')
})

test('any changed, shortened or padded character is rejected', () => {
  const { se, sig } = signTarget(key, target, now + 5000)
  const changed = Array.from(sig).map(
    (letter, at) => sig.slice(0, at) + (letter === 'A' ? 'B' : 'A') + sig.slice(at + 1),
  )
  for (const wrong of [...changed, sig.slice(1), `${sig}=`, `${sig}A`, ` ${sig}`, '']) {
    expect(() => verifyTarget(key, target, { se, sig: wrong }, now)).toThrow('signature')
  }
})

test('a missing parameter and the key of another purpose are rejected', () => {
  const signature = signTarget(key, target, now + 5000)
  expect(() => verifyTarget(key, target, { se: signature.se, sig: undefined }, now)).toThrow(
    'not signed',
  )
  expect(() => verifyTarget(key, target, { se: undefined, sig: signature.sig }, now)).toThrow(
    'not signed',
  )
  expect(() => verifyTarget(otherKey, target, signature, now)).toThrow('signature')
})

test('the signature needs no escaping in a query', () => {
  fc.assert(
    fc.property(targets, (each) => /^[A-Za-z0-9_-]{43}$/.test(signTarget(key, each, now).sig)),
  )
})
