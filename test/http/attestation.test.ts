/** Attestations of artifacts, verified independently by OpenSSL. */
import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Statement } from '../../src/core/attestation.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { zipOf } from '../actions/archives.ts'
import { makeDirectory } from '../client/tree.ts'
import { openServer, openSharedServer, problemOf, type TestServer } from './open-server.ts'

const server = await openSharedServer({ TROVE_PUBLIC_URL: 'https://trove.example.com' })

interface Bundle {
  mediaType: string
  verificationMaterial: { publicKey: { hint: string } }
  dsseEnvelope: { payloadType: string; payload: string; signatures: { sig: string }[] }
}

async function attestationOf(id: number, { of = server, query = '' } = {}): Promise<Bundle> {
  const response = await of.send(`/api/v1/artifacts/${id}/attestation${query}`)
  expect(response.headers.get('content-type')).toBe('application/vnd.dev.sigstore.bundle.v0.3+json')
  return (await response.json()) as Bundle
}

function statementOf({ dsseEnvelope }: Bundle): Statement {
  return JSON.parse(Buffer.from(dsseEnvelope.payload, 'base64').toString()) as Statement
}

const keysOf = async ({ send }: TestServer): Promise<string> =>
  await (await send('/api/v1/attestation-keys', { token: null })).text()

/** As defined by https://github.com/secure-systems-lab/dsse. */
async function isVerified({ dsseEnvelope }: Bundle, key: string): Promise<boolean> {
  const { payload, payloadType, signatures } = dsseEnvelope
  const root = await makeDirectory()
  const [signed, signature, pem] = ['signed', 'signature', 'pem'].map((name) => join(root, name))
  const body = Buffer.from(payload, 'base64')
  const head = `DSSEv1 ${payloadType.length} ${payloadType} ${body.length} `
  await writeFile(signed!, Buffer.concat([Buffer.from(head), body]))
  await writeFile(signature!, Buffer.from(signatures[0]!.sig, 'base64'))
  await writeFile(pem!, key)
  try {
    execFileSync(
      'openssl',
      ['dgst', '-sha256', '-verify', pem!, '-signature', signature!, signed!],
      { stdio: 'pipe' },
    )
    return true
  } catch (error) {
    expect(String((error as { stdout: Buffer }).stdout)).toContain('Verification failure')
    return false
  }
}

describe('an attestation', () => {
  test('names every file, every other entry, and the run they came from', async () => {
    const id = await server.put('7/build?branch=main&sha=0123abc&workflow=ci&event=push&job=make', {
      tar: [
        { name: 'bin/app', content: 'app', mode: 0o755 },
        { name: 'empty', type: 'directory' },
        { name: 'latest', type: 'symlink', linkname: 'bin/app' },
        { name: 'read me', content: '' },
      ],
    })
    const attestation = await attestationOf(id)
    const { treeDigest } = (await (await server.send(`/api/v1/artifacts/${id}`)).json()) as {
      treeDigest: string
    }
    const file = (name: string, content: string, mode: string): object => ({
      name,
      digest: { sha256: digestOf(content) },
      annotations: { mode, sizeBytes: content.length },
    })
    expect(statementOf(attestation)).toEqual({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [file('bin/app', 'app', '0755'), file('read me', '', '0644')],
      predicateType: 'urn:trove:receipt:v1',
      predicate: {
        store: 'https://trove.example.com',
        artifactId: id,
        name: 'build',
        project: 'octo/app',
        run: 7,
        attempt: 1,
        job: 'make',
        branch: 'main',
        sha: '0123abc',
        workflow: 'ci',
        event: 'push',
        untrusted: false,
        receivedAt: new Date(server.clock.now).toISOString(),
        treeDigest,
        zipDigest: null,
        path: '',
        otherEntries: ['d 755 empty', 'l 7 bin/app latest'],
      },
    })
    const pem = await keysOf(server)
    const der = createPublicKey(pem).export({ type: 'spki', format: 'der' })
    expect(attestation.verificationMaterial.publicKey.hint).toBe(digestOf(der))
    // cosign skips a signature whose `keyid` differs from its own id of the key.
    expect(attestation.dsseEnvelope.signatures).toEqual([{ sig: expect.any(String) }])
    expect(await isVerified(attestation, pem)).toBe(true)
    const { publicKey: other } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const otherPem = other.export({ type: 'spki', format: 'pem' }).toString()
    expect(await isVerified(attestation, otherPem)).toBe(false)
    attestation.dsseEnvelope.payload = Buffer.from(
      JSON.stringify(statementOf(attestation)).replace('0123abc', '0123abd'),
    ).toString('base64')
    expect(await isVerified(attestation, pem)).toBe(false)
  })

  test('has the same payload each time', async () => {
    const id = await server.put('8/build')
    const [first, second] = [await attestationOf(id), await attestationOf(id)]
    expect(first.dsseEnvelope.payload).toBe(second.dsseEnvelope.payload)
  })

  test('names the zip of a zip upload, once', async () => {
    const zip = Buffer.from(zipOf({ 'a.txt': 'a' }))
    const headers = { 'content-type': 'application/zip' }
    const taken = await server.put('9/zipped', { headers, body: zip })
    const { subject, predicate } = statementOf(await attestationOf(taken))
    expect(subject[0]).toEqual({
      name: 'zipped.zip',
      digest: { sha256: digestOf(zip) },
      mediaType: 'application/zip',
    })
    expect(subject.map(({ name }) => name)).toEqual(['zipped.zip', 'a.txt'])
    expect(predicate.zipDigest).toBe(`sha256:${digestOf(zip)}`)
    // A zip that cannot be taken apart is its own only file.
    const odd = Buffer.concat([Buffer.from('before'), zip])
    const whole = await server.put('9/odd?filename=odd.zip', { headers, body: odd })
    expect(statementOf(await attestationOf(whole)).subject).toMatchObject([
      { name: 'odd.zip', digest: { sha256: digestOf(odd) } },
    ])
  })

  test('can cover a single file or directory', async () => {
    const id = await server.put('10/build', {
      tar: [
        { name: 'a', content: 'a' },
        { name: 'lib/b', content: 'b' },
        { name: 'lib/c', type: 'symlink', linkname: 'b' },
        { name: 'library', content: 'l' },
      ],
    })
    const of = async (path: string): Promise<unknown> => {
      const { subject, predicate } = statementOf(
        await attestationOf(id, { query: `?path=${path}` }),
      )
      return [predicate.path, subject.map(({ name }) => name), predicate.otherEntries]
    }
    expect(await of('a')).toEqual(['a', ['a'], []])
    expect(await of('lib/')).toEqual(['lib', ['lib/b'], ['l 1 b lib/c']])
    const none = await server.send(`/api/v1/artifacts/${id}/attestation?path=li`)
    expect(await problemOf(none)).toMatchObject({ status: 404, code: 'not_found' })
  })

  test('marks artifacts of pull requests', async () => {
    const id = await server.put('11/build?event=pull_request')
    expect(statementOf(await attestationOf(id)).predicate.untrusted).toBe(true)
  })

  test('requires a live artifact, an existing path and permission to read', async () => {
    const id = await server.put('12/build')
    const path = `/api/v1/artifacts/${id}/attestation`
    const stranger = await server.token({ project: 'eve/own', scope: 'admin' })
    const reader = await server.token({ project: 'eve/own', scope: 'write' })
    expect((await server.send(path, { token: stranger })).status).toBe(200)
    expect((await server.send(path, { token: reader })).status).toBe(404)
    expect((await server.send(path, { token: null })).status).toBe(401)
    expect((await server.send(path, { method: 'HEAD' })).status).toBe(200)
    await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE' })
    expect((await server.send(path)).status).toBe(410)
    expect((await server.send(`/api/v1/artifacts/${id + 1000}/attestation`)).status).toBe(404)
  })
})

test('a retired key is published after the signing key, and verifies what it signed', async () => {
  const [old, next] = ['', ''].map(() =>
    generateKeyPairSync('ec', { namedCurve: 'P-256' })
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString(),
  ) as [string, string]
  const attestedWith = async (keys: string): Promise<{ attestation: Bundle; keys: string[] }> => {
    const dataDir = await makeDirectory()
    await writeFile(join(dataDir, 'attestation.key'), keys)
    const server = await openServer({}, dataDir)
    try {
      const attestation = await attestationOf(await server.put('1/build'), { of: server })
      return { attestation, keys: (await keysOf(server)).split(/(?<=END PUBLIC KEY-----\n)/) }
    } finally {
      await server.close()
    }
  }
  const before = await attestedWith(old)
  const after = await attestedWith(next + old)
  expect(after.keys).toHaveLength(2)
  expect(after.keys.join('')).not.toContain('PRIVATE')
  expect(after.keys[1]).toBe(before.keys[0])
  expect(await isVerified(before.attestation, after.keys[1]!)).toBe(true)
  expect(await isVerified(after.attestation, after.keys[0]!)).toBe(true)
  expect(await isVerified(after.attestation, after.keys[1]!)).toBe(false)
})
