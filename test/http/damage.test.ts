/** Damage from a flipped byte to its end, as callers of the API see it. */
import { deflateRawSync } from 'node:zlib'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeJoiningSync } from '../../src/packs/codec.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { flipByte, packPaths, spoil } from '../lifecycle/stored-bytes.ts'
import { tarOf } from './archives-of.ts'
import { openServer, type TestServer } from './open-server.ts'

const files = {
  'a.txt': 'alpha '.repeat(500),
  'b.txt': 'beta '.repeat(500),
  'dir/c.txt': 'gamma '.repeat(500),
}

let server: TestServer
beforeEach(async () => {
  server = await openServer()
})
afterEach(async () => {
  await server.close()
})

const path = (name: string): string => `/api/v1/projects/octo/app/runs/1/artifacts/${name}`

/** `native`: as a tar, whose files we deflate. `stock`: as a zip, kept as it is. */
async function put(form: 'native' | 'stock', name: string): Promise<number> {
  const entries = Object.entries(files)
  return await server.put(
    path(name),
    form === 'native'
      ? {
          headers: { 'content-type': 'application/x-tar' },
          body: await tarOf(entries.map(([at, content]) => ({ name: at, content }))),
        }
      : {
          headers: { 'content-type': 'application/zip' },
          body: buildZip({ members: entries.map(([at, content]) => ({ name: at, content })) }),
        },
  )
}

async function runJob(route: string, json: object = {}): Promise<Record<string, unknown>> {
  const token = await server.token({ scope: 'admin' })
  const started = await server.send(`/api/v1/admin/${route}`, { method: 'POST', token, json })
  expect(started.status).toBe(202)
  for (;;) {
    const answer = await server.send(started.headers.get('location')!, { token })
    const job = (await answer.json()) as { state: string; progress: object; error: string | null }
    if (job.state === 'failed') throw new Error(job.error!)
    if (job.state === 'done') return job.progress as Record<string, unknown>
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function detail(id: number): Promise<{ state: string; damagedFiles: string[] }> {
  const answer = await server.send(`/api/v1/artifacts/${id}`)
  return (await answer.json()) as { state: string; damagedFiles: string[] }
}

async function download(id: number, what: string): Promise<Buffer | number> {
  const answer = await server.send(`/api/v1/artifacts/${id}/${what}`)
  if (!answer.ok) return answer.status
  return Buffer.from(await answer.arrayBuffer())
}

const cas = (): string => join(server.dataDir, 'cas')

describe('one flipped byte in a pack', () => {
  test.each(['native', 'stock'] as const)(
    'of a %s upload is found by scrub, named, confined to its file, and healed by the same upload',
    async (form) => {
      const id = await put(form, 'build')
      const zip = await download(id, 'archive.zip')
      const content = Buffer.from(files['b.txt'])
      await spoil(
        cas(),
        form === 'native' ? encodeJoiningSync(content, 6) : deflateRawSync(content),
      )

      expect(await runJob('scrub')).toMatchObject({
        damagedCopies: 1,
        damagedArtifacts: 1,
        damaged: [{ id, project: 'octo/app', run: 1, name: 'build', damagedFiles: ['b.txt'] }],
      })
      expect(await detail(id)).toMatchObject({ state: 'damaged', damagedFiles: ['b.txt'] })
      const page = await server.send(`/octo/app/actions/runs/1/artifacts/${id}`)
      expect(await page.text()).toContain('b.txt')
      for (const other of ['a.txt', 'dir/c.txt'] as const) {
        expect(await download(id, `files/${other}`)).toEqual(Buffer.from(files[other]))
      }
      expect(await download(id, 'files/b.txt')).toBe(500)
      expect(await download(id, 'archive.zip')).toBe(500)

      await put(form, 'build-again')
      expect(await detail(id)).toMatchObject({ state: 'available', damagedFiles: [] })
      expect(await download(id, 'files/b.txt')).toEqual(content)
      expect(await download(id, 'archive.zip')).toEqual(zip)
      expect(await runJob('scrub')).toMatchObject({ damagedCopies: 0, damaged: [], drifts: 0 })
    },
  )

  test('that a download meets first fails it, and is known from then on', async () => {
    const id = await put('native', 'build')
    await spoil(cas(), encodeJoiningSync(Buffer.from(files['b.txt']), 6))
    expect(await download(id, 'archive.zip')).toBe(500)
    expect(await detail(id)).toMatchObject({ state: 'damaged', damagedFiles: ['b.txt'] })
  })
})

describe('a pack written anew', () => {
  test('serves what the one with bad framing did', async () => {
    const id = await put('native', 'build')
    const zip = await download(id, 'archive.zip')
    const [pack] = await packPaths(cas())
    await flipByte(pack!, (await stat(pack!)).size - 1)
    expect(await runJob('scrub')).toMatchObject({ damagedCopies: 0, rewrittenPacks: 1 })
    expect(await download(id, 'archive.zip')).toEqual(zip)
  })
})

test('scrub and backup are for administrators', async () => {
  for (const route of ['scrub', 'backup']) {
    const answer = await server.send(`/api/v1/admin/${route}`, { method: 'POST', json: {} })
    expect(answer.status).toBe(403)
  }
})

test('a backup of a running server is a data directory that serves the same bytes', async () => {
  const id = await put('native', 'build')
  const zip = await download(id, 'archive.zip')
  const destination = `${server.dataDir}-backup`
  expect(await runJob('backup', { destination })).toMatchObject({ packs: 1, linkedPacks: 1 })
  const key = await readFile(join(server.dataDir, 'secret.key'))
  expect(await readFile(join(destination, 'secret.key'))).toEqual(key)
  expect((await stat(join(destination, 'secret.key'))).mode & 0o777).toBe(0o600)
  await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE' })
  await runJob('gc', { now: true })
  await server.close()

  server = await openServer({}, destination)
  expect(await download(id, 'archive.zip')).toEqual(zip)
  expect(await runJob('scrub')).toMatchObject({ damagedCopies: 0, drifts: 0 })
})
