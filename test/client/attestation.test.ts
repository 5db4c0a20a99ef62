/** An attestation is only what a server has signed as the receipt of an artifact. */
import { createSign, generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  type AttestedPlace,
  attestedName,
  readAttestation,
  requirePlace,
} from '../../src/client/verify/attestation.ts'
import {
  payloadType,
  receiptType,
  signedPrefix,
  statementType,
} from '../../src/core/attestation.ts'
import { type Digest, digestOf, formatWireDigest } from '../../src/core/bytes/digest.ts'
import type { ProjectName } from '../../src/core/run/run.ts'

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

/** A signed receipt of an artifact with a file and a symlink. */
function receiptWith(more: object = {}): string {
  const predicate = {
    artifactId: 7,
    name: 'build',
    project: 'octo/app',
    run: 3,
    untrusted: false,
    path: '',
    zipDigest: formatWireDigest(digestOf('zip')),
    otherEntries: ['l 4 file link'],
    ...more,
  }
  const subject = [
    {
      name: 'file',
      digest: { sha256: digestOf('f') },
      annotations: { mode: '0644', sizeBytes: 1 },
    },
    { name: 'build.zip', digest: { sha256: digestOf('zip') }, mediaType: 'application/zip' },
  ]
  return signed({ _type: statementType, predicateType: receiptType, subject, predicate })
}
const trusted = { allowUntrusted: false }

test('what another key signed, or was changed, is rejected', () => {
  const text = receiptWith()
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  const otherPem = other.export({ type: 'spki', format: 'pem' }).toString()
  const envelope = JSON.parse(text) as { payload: string }
  const payload = Buffer.from(envelope.payload, 'base64').toString().replace('"run":3', '"run":4')
  const changed = { ...envelope, payload: Buffer.from(payload).toString('base64') }
  for (const [bundle, key] of [
    [text, otherPem],
    [JSON.stringify(changed), pem],
  ] as const)
    expect(() => readAttestation(bundle, key, trusted)).toThrow('was signed by another key')
  // One of several keys is enough.
  expect(readAttestation(text, otherPem + pem, trusted).id).toBe(7)
})

test.each([
  '',
  '[]',
  '{}',
  '"text"',
  { payloadType: 'text/plain' },
  { payload: 7 },
  { signatures: {} },
  { signatures: [{}] },
])('no attestation: %o', (change) => {
  const envelope = JSON.parse(receiptWith()) as object
  const text = typeof change === 'string' ? change : JSON.stringify({ ...envelope, ...change })
  expect(() => readAttestation(text, pem, trusted)).toThrow('not an attestation')
})

test('the receipt of a pull request is accepted only if that is allowed', () => {
  const text = receiptWith({ untrusted: true })
  expect(() => readAttestation(text, pem, trusted)).toThrow('triggered by a pull request')
  expect(readAttestation(text, pem, { allowUntrusted: true }).id).toBe(7)
})

test('a receipt is about one artifact', () => {
  const attestation = readAttestation(receiptWith(), pem, trusted)
  const own = { project: 'Octo/App' as ProjectName, run: 3, name: 'build', id: 7 }
  for (const place of [{}, own]) expect(() => requirePlace(attestation, place)).not.toThrow()
  const others: AttestedPlace[] = [
    { project: 'octo/other' as ProjectName },
    { run: 4 },
    { name: 'other' },
    { id: 8 },
  ]
  for (const other of others)
    for (const place of [other, { ...own, ...other }])
      expect(() => requirePlace(attestation, place)).toThrow('is about octo/app@3/build, id:7')
})

test('only files are attested, and the zip of a whole artifact', () => {
  const nameOf = (digest: Digest, more?: object): string | undefined =>
    attestedName(readAttestation(receiptWith(more), pem, trusted), digest)
  expect([nameOf(digestOf('f')), nameOf(digestOf('zip'))]).toEqual(['file', 'build.zip'])
  expect(nameOf(digestOf('zip'), { path: 'file' })).toBeUndefined()
  const other = digestOf('other')
  // The target of a symlink may look like a digest.
  for (const more of [{}, { otherEntries: [`l 64 ${other} link`] }])
    expect(nameOf(other, more)).toBeUndefined()
})
