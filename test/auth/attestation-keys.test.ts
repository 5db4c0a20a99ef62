/** The attestation keys, and signing with them. */
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openAttestationKeys } from '../../src/auth/attestation-keys.ts'
import { signStatement } from '../../src/auth/sign-statement.ts'
import { keyIdOf } from '../../src/core/attestation.ts'
import { testDirectory } from '../temporary-directory.ts'

test('concurrent openings agree on one key, which only its owner may read', async () => {
  const dir = testDirectory()
  const [first, ...others] = await Promise.all(
    Array.from({ length: 10 }, () => openAttestationKeys(dir)),
  )
  for (const each of others) expect(each.publicKeys).toBe(first!.publicKeys)
  expect(await readdir(dir)).toEqual(['attestation.key'])
  expect((await stat(join(dir, 'attestation.key'))).mode & 0o777).toBe(0o600)
})

const pemOf = (curve: string, half: 'privateKey' | 'publicKey'): string => {
  const keys = generateKeyPairSync('ec', { namedCurve: curve })
  return half === 'privateKey'
    ? keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    : keys.publicKey.export({ type: 'spki', format: 'pem' }).toString()
}

test('a key that is given is that of an empty directory, and must be that of any other', async () => {
  const given = Buffer.from(pemOf('P-256', 'privateKey'))
  const opened = await openAttestationKeys(testDirectory(), given)
  expect(opened.privateKey.export({ type: 'pkcs8', format: 'pem' })).toBe(given.toString())
  const other = testDirectory()
  await openAttestationKeys(other)
  await expect(openAttestationKeys(other, given)).rejects.toThrow('is another key than')
})

test.each([
  ['', 'no PEM key found'],
  ['-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', 'unreadable key'],
  [pemOf('P-384', 'privateKey'), 'must be ECDSA P-256'],
  [pemOf('P-256', 'publicKey'), 'cannot be used'],
])('the error for an unusable key file names the file', async (content, reason) => {
  const dir = testDirectory()
  await writeFile(join(dir, 'attestation.key'), content)
  const opening = openAttestationKeys(dir)
  await expect(opening).rejects.toThrow(reason)
  await expect(opening).rejects.toThrow(join(dir, 'attestation.key'))
})

test('the signing key is published first, wherever it is in the file', async () => {
  const dir = testDirectory()
  const [retired, own] = [pemOf('P-256', 'publicKey'), pemOf('P-256', 'privateKey')]
  await writeFile(join(dir, 'attestation.key'), retired + own)
  const { id, publicKeys } = await openAttestationKeys(dir)
  const ownHalf = createPublicKey(own)
  expect(publicKeys).toBe(ownHalf.export({ type: 'spki', format: 'pem' }).toString() + retired)
  expect(id).toBe(keyIdOf(ownHalf))
})

const textOf = async (pieces: AsyncIterable<Uint8Array>): Promise<string> => {
  let text = ''
  for await (const piece of pieces) text += Buffer.from(piece).toString()
  return text
}

test.each([0, 1, 2, 3])(
  'the signature covers the statement byte for byte, wherever its pieces end (%d)',
  async (odd) => {
    const keys = await openAttestationKeys(testDirectory())
    const texts = [`${'ä'.repeat(30_000)}${'x'.repeat(odd)}`, '', 'ü'.repeat(100_000), 'end']
    const bundle = JSON.parse(
      await textOf(
        // oxlint-disable-next-line require-await -- an async generator, like reading an artifact's
        // entries.
        signStatement(keys, async function* () {
          yield* texts
        }),
      ),
    ) as { dsseEnvelope: { payload: string; signatures: [{ sig: string }] } }
    const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64')
    expect(payload.toString()).toBe(texts.join(''))
    expect(payload.toString('base64')).toBe(bundle.dsseEnvelope.payload)
    const head = `DSSEv1 28 application/vnd.in-toto+json ${payload.length} `
    const signature = Buffer.from(bundle.dsseEnvelope.signatures[0].sig, 'base64')
    const signed = Buffer.concat([Buffer.from(head), payload])
    expect(verify('sha256', signed, createPublicKey(keys.publicKeys), signature)).toBe(true)
  },
)

test('a statement that changes while it is signed gets no signature', async () => {
  const keys = await openAttestationKeys(testDirectory())
  let read = 0
  const signing = textOf(
    // oxlint-disable-next-line require-await -- as above.
    signStatement(keys, async function* () {
      read += 1
      yield 'x'.repeat(100_000 - read)
    }),
  )
  await expect(signing).rejects.toThrow('changed while it was signed')
})
