/** Invariant 10 over HTTP: knowing a digest, a tree, an artifact's id or a session gives no
 *  access to another project's data. */
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Offer } from '../../src/api/negotiation-messages.ts'
import { createClient } from '../../src/client/client.ts'
import { decodeOrdinals, encodeWants } from '../../src/core/bytes/blob-exchange.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { manifestHeader } from '../../src/core/manifest/manifest.ts'
import { encodeTimes } from '../../src/core/manifest/modification-times.ts'
import { utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openSharedServer, problemOf } from './open-server.ts'
import { fileDirectory } from '../temporary-directory.ts'

const secret = 'what only octo/app may read'
const text = `${manifestHeader}f 644 ${secret.length} ${digestOf(secret)} secret\n`
const offer: Offer = {
  project: 'eve/own',
  run: 1,
  name: 'stolen',
  treeDigest: `sha256:${digestOf(text)}`,
  entryCount: 1,
  fileCount: 1,
  logicalBytes: secret.length,
  timesDigest: `sha256:${digestOf(encodeTimes([1_600_000_000]))}`,
}

const server = await openSharedServer()
let thief: string
const directory = fileDirectory()
let artifactId: number
beforeAll(async () => {
  thief = await server.token({ project: 'eve/own', scope: 'write' })
  await writeFile(join(directory, 'secret'), secret, { mode: 0o644 })
  await utimes(join(directory, 'secret'), 1_600_000_000, 1_600_000_000)
  const client = createClient({ url: server.url, token: await server.token(), cacheDir: null })
  const source = { kind: 'patterns', patterns: ['.'], directory } as const
  const { artifact } = await client.upload({ project: 'octo/app', run: 1, name: 'own', source })
  // The thief offers exactly this tree.
  expect(artifact.treeDigest).toBe(offer.treeDigest)
  artifactId = artifact.id
})

async function post(path: string, body: Uint8Array | object, token = thief): Promise<Response> {
  const request = body instanceof Uint8Array ? { body } : { json: body }
  return await server.send(`/api/v1${path}`, { method: 'POST', token, ...request })
}

describe('a caller of another project', () => {
  test('that offers the digests of tree and times is asked for the manifest, then for every file', async () => {
    const known = await post(
      '/uploads',
      { ...offer, project: 'octo/app', name: 'again' },
      await server.token(),
    )
    expect(await known.json()).toMatchObject({ state: 'done' })

    const opened = (await (await post('/uploads', offer)).json()) as { state: string; id: string }
    expect(opened).toMatchObject({ state: 'open', needs: 'manifest' })
    const query = `tree=${encodeURIComponent(offer.treeDigest)}&entries=1`
    const missing = await post(`/uploads/${opened.id}/manifest?${query}`, gzipSync(text))
    expect(decodeOrdinals(new Uint8Array(await missing.arrayBuffer()))).toEqual([0])
    const committed = await post(`/uploads/${opened.id}/commit`, offer)
    expect(await problemOf(committed)).toMatchObject({ status: 409, code: 'upload_incomplete' })
    const listed = await server.send('/api/v1/artifacts?project=eve/own', { token: thief })
    expect(
      listed.status === 404 || ((await listed.json()) as { items: [] }).items.length === 0,
    ).toBe(true)
  })

  test('that names the other project learns nothing', async () => {
    expect((await post('/uploads', { ...offer, project: 'octo/app' })).status).toBe(404)
  })

  test.each([
    ['POST', '/blobs/fetch?artifact=ID'],
    ['POST', '/blobs/parts?artifact=ID'],
    ['GET', '/artifacts/ID/tree'],
    ['GET', '/artifacts/ID/manifest'],
    ['GET', '/artifacts/ID/files/secret'],
    ['GET', '/artifacts/ID/archive.zip'],
    ['GET', `/digests/sha256:${digestOf(secret)}`],
  ])('gets nothing by %s %s', async (method, path) => {
    const address = `/api/v1${path.replace('ID', String(artifactId))}`
    const body = encodeWants([{ ordinal: 0, parts: null }])
    const request = method === 'POST' ? { method, body } : { method }
    const response = await server.send(address, { token: thief, ...request })
    const answer = await response.text()
    expect(answer).not.toContain(secret)
    if (response.ok) expect(JSON.parse(answer)).toMatchObject({ items: [] })
    else expect(response.status).toBe(404)
  })

  test('that knows a session id cannot use the session', async () => {
    const owner = await server.token()
    const own = {
      ...offer,
      project: 'octo/app',
      name: 'mine',
      treeDigest: `sha256:${'0'.repeat(64)}`,
    }
    const { id } = (await (await post('/uploads', own, owner)).json()) as { id: string }
    for (const step of [
      'manifest?tree=x&entries=1',
      'packs',
      'parts',
      'times?entries=1',
      'commit',
    ]) {
      const body = step === 'commit' ? own : gzipSync(text)
      expect(
        (await problemOf(await post(`/uploads/${id}/${step}`, body))).status,
      ).toBeGreaterThanOrEqual(400)
    }
    const ended = await server.send(`/api/v1/uploads/${id}`, { method: 'DELETE', token: thief })
    expect(ended.ok).toBe(false)
    expect((await server.send(`/api/v1/uploads/${id}/missing`, { token: thief })).ok).toBe(false)
  })
})

describe('a job that reads only its own run', () => {
  const own = { ...offer, project: 'octo/app', run: 2, name: 'copied' }
  const query = `tree=${encodeURIComponent(offer.treeDigest)}&entries=1`
  const missingOf = async (response: Response): Promise<number[]> =>
    decodeOrdinals(new Uint8Array(await response.arrayBuffer()))

  test('gets nothing of another run by its digests, and can upload the same content', async () => {
    const token = await server.token({ scope: 'run', run: 2, job: 'build' })
    expect((await server.send(`/api/v1/artifacts/${artifactId}`, { token })).status).toBe(404)
    const based = { ...own, base: offer.treeDigest }
    const opened = (await (await post('/uploads', based, token)).json()) as { id: string }
    expect(opened).toMatchObject({ state: 'open', needs: 'manifest' })
    const early = await post(`/uploads/${opened.id}/commit`, own, token)
    expect(await problemOf(early)).toMatchObject({ status: 409, code: 'upload_incomplete' })

    const manifest = `/uploads/${opened.id}/manifest?${query}`
    expect(await missingOf(await post(manifest, gzipSync(text), token))).toEqual([0])
    const unsent = await post(`/uploads/${opened.id}/commit`, own, token)
    expect(await problemOf(unsent)).toMatchObject({ status: 409, code: 'upload_incomplete' })
    const again = await server.send(`/api/v1/uploads/${opened.id}/missing`, { token })
    expect(await missingOf(again)).toEqual([0])
    const changes = await post(`${manifest}&base=${offer.treeDigest}`, gzipSync(text), token)
    expect(await problemOf(changes)).toMatchObject({ status: 404 })

    const client = createClient({ url: server.url, token, cacheDir: null })
    const source = { kind: 'patterns', patterns: ['.'], directory } as const
    const { artifact } = await client.upload({ project: 'octo/app', run: 2, name: 'own', source })
    expect(artifact).toMatchObject({ treeDigest: offer.treeDigest })
    const repeated = await client.upload({ project: 'octo/app', run: 2, name: 'own', source })
    expect(repeated.artifact.id).toBe(artifact.id)
  })
})
