/** Signed URLs are valid for one target until one instant. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deriveKeys } from '../../src/auth/key.ts'
import {
  formatSignature,
  type Signer,
  signTarget,
  verifyReading,
  verifyTarget,
  type SignedTarget,
} from '../../src/auth/signed-urls.ts'

const { signedUrls: key, tokens: otherKey } = deriveKeys(Buffer.alloc(32, 1))
const now = Date.UTC(2026, 0, 1)
const target: SignedTarget = { access: 'write', route: 'upload', id: 'a1b2' }

const targets: fc.Arbitrary<SignedTarget> = fc.record({
  access: fc.constantFrom('read', 'write'),
  route: fc.constantFrom('upload', 'artifact'),
  id: fc.string(),
})
const files: fc.Arbitrary<SignedTarget> = fc.record({
  access: fc.constantFrom('read', 'write'),
  route: fc.constant('file' as const),
  id: fc.constantFrom('1', '12'),
  path: fc.constantFrom('a', 'é', 'e\u0301', '2', ''),
})
const ids = fc.constantFrom('0'.repeat(32), 'a1'.repeat(16))
const signers: fc.Arbitrary<Signer | null> = fc.option(
  fc.record({
    lineage: fc.array(ids, { minLength: 1, maxLength: 10 }),
    issuedAt: fc.option(fc.constantFrom(0, now)),
    person: fc.option(ids),
  }),
)

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

test('a URL that reads names its signer, until it expires', () => {
  fc.assert(
    fc.property(fc.oneof(targets, files), signers, (signed, signer) => {
      const { access, ...target } = signed
      const signature = signTarget(key, signed, now + 5000, signer)
      const signerAt = (at: number): unknown => verifyReading(key, target, signature, at)
      if (access === 'write') expect(() => signerAt(now)).toThrow('signature')
      else expect(signerAt(now)).toEqual(signer)
      expect(() => signerAt(now + 5000)).toThrow(access === 'write' ? 'signature' : 'expired')
      expect(formatSignature(signature)).toMatch(/^se=\d+(?:&by=[\w.]+)?&sig=[\w-]{43}$/)
    }),
  )
})

test('no signature verifies for another signer, nor for none', () => {
  fc.assert(
    fc.property(targets, signers, signers, (signed, signer, other) => {
      const { by } = signTarget(key, signed, now + 5000, other)
      const signature = { ...signTarget(key, signed, now + 5000, signer), by }
      const verify = (): void => verifyTarget(key, signed, signature, now)
      if (JSON.stringify(signer) === JSON.stringify(other)) expect(verify).not.toThrow()
      else expect(verify).toThrow('signature')
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
