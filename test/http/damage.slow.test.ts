/** Damage from a flipped byte to its repair, as seen by callers of the API. */
import { deflateRawSync } from 'node:zlib'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rm, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { unzipSync } from 'fflate'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { flipByte, packPaths, spoil } from '../lifecycle/stored-bytes.ts'
import { openServer, type TestServer } from './open-server.ts'
import { runJob } from './run-job.ts'

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

/** `native`: as a tar, whose files the server deflates. `stock`: as a zip, kept as it is. */
async function put(form: 'native' | 'stock', name: string): Promise<number> {
  const entries = Object.entries(files)
  return await server.put(
    `1/${name}`,
    form === 'native'
      ? {
          tar: entries.map(([at, content]) => ({ name: at, content })),
        }
      : {
          headers: { 'content-type': 'application/zip' },
          body: buildZip({ members: entries.map(([at, content]) => ({ name: at, content })) }),
        },
  )
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

/** The files of a zip. */
function textsOf(zip: Buffer | number): Record<string, string> {
  const members = Object.entries(unzipSync(zip as Buffer)).filter(([at]) => !at.endsWith('/'))
  return Object.fromEntries(members.map(([at, bytes]) => [at, Buffer.from(bytes).toString()]))
}

const cas = (): string => join(server.dataDir, 'cas')

describe('one flipped byte in a pack', () => {
  test.each(['native', 'stock'] as const)(
    'of a %s upload is found by scrub, reported, confined to its file, and healed by the same upload',
    async (form) => {
      const id = await put(form, 'build')
      const zip = await download(id, 'archive.zip')
      const content = Buffer.from(files['b.txt'])
      await spoil(
        cas(),
        form === 'native' ? encodeJoiningSync(content, 6) : deflateRawSync(content),
      )

      expect(await runJob(server, 'scrub')).toMatchObject({
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
      const { 'b.txt': _, ...intact } = files
      const partial = await download(id, 'archive.zip?intact')
      expect(textsOf(partial)).toEqual(intact)
      expect(textsOf(await download(id, 'archive.zip?intact&path=dir/**'))).toEqual({
        'dir/c.txt': files['dir/c.txt'],
      })
      const ofRun = await server.send('/api/v1/runs/1/archive.zip?intact')
      expect(ofRun.headers.get('content-disposition')).toContain('run-1-intact.zip')
      expect(textsOf(Buffer.from(await ofRun.arrayBuffer()))).toEqual(
        Object.fromEntries(Object.entries(intact).map(([at, text]) => [`build/${at}`, text])),
      )

      await put(form, 'build-again')
      expect(await detail(id)).toMatchObject({ state: 'available', damagedFiles: [] })
      expect(await download(id, 'files/b.txt')).toEqual(content)
      expect(await download(id, 'archive.zip')).toEqual(zip)
      expect(await download(id, 'archive.zip?intact')).toEqual(zip)
      expect(await runJob(server, 'scrub')).toMatchObject({
        damagedCopies: 0,
        damaged: [],
        drifts: 0,
      })
    },
  )

  test('found by a download fails that download, and is known from then on', async () => {
    const id = await put('native', 'build')
    await spoil(cas(), encodeJoiningSync(Buffer.from(files['b.txt']), 6))
    expect(await download(id, 'archive.zip')).toBe(500)
    expect(await detail(id)).toMatchObject({ state: 'damaged', damagedFiles: ['b.txt'] })
  })
})

/** A file that opens, but fails every read with EIO, like a bad sector (proc_pid_mem(5): nothing
 *  is mapped at the first pages). */
const failingMedium = '/proc/self/mem'

describe.skipIf(!existsSync(failingMedium))(
  'a medium that fails in the middle of a download',
  () => {
    const [large, lost] = [randomBytes(6_000_000), randomBytes(6_000_000)]
    let id: number
    beforeEach(async () => {
      await server.put('1/first', { body: large })
      const before = new Set(await packPaths(cas()))
      id = await server.put('1/both', {
        tar: [
          { name: 'a', content: large },
          { name: 'b', content: lost },
        ],
      })
      for (const pack of await packPaths(cas())) {
        if (before.has(pack)) continue
        await rm(pack)
        await symlink(failingMedium, pack)
      }
    })

    test.each(['archive.zip', 'archive.tar.gz', 'files/b'])('%s fails visibly', async (what) => {
      const answer = await server.send(`/api/v1/artifacts/${id}/${what}`)
      // A failure before the first byte has a status; after that only the connection can show it.
      if (answer.status === 200) await expect(answer.arrayBuffer()).rejects.toThrow('terminated')
      else expect(await answer.json()).toMatchObject({ code: 'blob_damaged' })
      expect(answer.status).toBe(what === 'files/b' ? 500 : 200)
      expect(await detail(id)).toMatchObject({ state: 'damaged', damagedFiles: ['b'] })
      expect(large.equals((await download(id, 'files/a')) as Buffer)).toBe(true)
    })

    test('the zip of a stock client ends in bytes that no reader accepts', async () => {
      const ids = { workflow_run_backend_id: '1', workflow_job_run_backend_id: 'build' }
      const token = await server.token({ run: 1, job: 'build', scope: 'job' })
      const service = '/twirp/github.actions.results.api.v1.ArtifactService'
      const signed = await server.send(`${service}/GetSignedArtifactURL`, {
        method: 'POST',
        json: { ...ids, name: 'both' },
        token,
      })
      const { signed_url: url } = (await signed.json()) as { signed_url: string }
      const headers = { 'user-agent': '@actions/artifact-2.3.2' }
      const answer = await fetch(url, { headers })
      const body = Buffer.from(await answer.arrayBuffer())
      expect([answer.status, answer.headers.get('content-length')]).toEqual([200, null])
      expect(body.subarray(-4096).every((byte) => byte === 0xff)).toBe(true)
      expect(() => unzipSync(body)).toThrow('invalid zip data')
      expect(await detail(id)).toMatchObject({ state: 'damaged', damagedFiles: ['b'] })
    })
  },
)

describe('a pack written anew', () => {
  test('serves the same bytes as the one with damaged framing', async () => {
    const id = await put('native', 'build')
    const zip = await download(id, 'archive.zip')
    const [pack] = await packPaths(cas())
    await flipByte(pack!, (await stat(pack!)).size - 1)
    expect(await runJob(server, 'scrub')).toMatchObject({ damagedCopies: 0, rewrittenPacks: 1 })
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
  expect(await runJob(server, 'backup', { destination })).toMatchObject({
    packs: 1,
    linkedPacks: 1,
  })
  for (const name of ['secret.key', 'attestation.key']) {
    const key = await readFile(join(server.dataDir, name))
    expect(await readFile(join(destination, name))).toEqual(key)
    expect((await stat(join(destination, name))).mode & 0o777).toBe(0o600)
  }
  await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE' })
  await runJob(server, 'gc', { now: true })
  await server.close()

  server = await openServer({}, destination)
  expect(await download(id, 'archive.zip')).toEqual(zip)
  expect(await runJob(server, 'scrub')).toMatchObject({ damagedCopies: 0, drifts: 0 })
})
