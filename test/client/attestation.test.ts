/** An attestation is only what a server has signed as the receipt of an artifact. */
import { createSign, generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { readAttestation } from '../../src/client/verify/attestation.ts'
import {
  payloadType,
  receiptType,
  signedPrefix,
  statementType,
} from '../../src/core/attestation.ts'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()

function signed(statement: object): string {
  const payload = Buffer.from(JSON.stringify(statement))
  const signer = createSign('sha256').update(signedPrefix(payload.length)).update(payload)
  const signatures = [{ sig: signer.sign(privateKey, 'base64') }]
  return JSON.stringify({ payloadType, payload: payload.toString('base64'), signatures })
}

test.each([
  { _type: 'https://in-toto.io/Statement/v0.1', predicateType: receiptType },
  { _type: statementType, predicateType: 'https://slsa.dev/provenance/v1' },
])('another statement is rejected, although it is signed: %o', (kind) => {
  const text = signed({ ...kind, subject: [], predicate: { otherEntries: [] } })
  expect(() => readAttestation(text, pem, { allowUntrusted: false })).toThrow(
    'another kind of statement',
  )
})

test('a signed receipt is accepted', () => {
  const kind = { _type: statementType, predicateType: receiptType }
  const text = signed({ ...kind, subject: [], predicate: { artifactId: 7, otherEntries: [] } })
  expect(readAttestation(text, pem, { allowUntrusted: false }).id).toBe(7)
})
