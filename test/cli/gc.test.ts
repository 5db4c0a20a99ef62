/** `trove gc` through a server and without one. */
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { beforeAll, expect, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { openServer, type TestServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'

let server: TestServer

beforeAll(async () => {
  server = await openServer({ TROVE_MIN_FREE: '0' })
  return server.close
})

async function deletedArtifact(): Promise<void> {
  const body = randomBytes(50_000)
  const path = `/api/v1/projects/octo/app/runs/1/artifacts/a`
  const id = await server.put(path, { body })
  await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE' })
}

test('says beforehand what it then frees, in text and as JSON', async () => {
  await deletedArtifact()
  const token = await server.token({ scope: 'admin' })
  const environment = { TROVE_URL: server.url, TROVE_TOKEN: token }
  const dry = await runTroveInside(['gc', '--now', '--dry-run'], environment)
  expect([dry.status, dry.text]).toEqual([0, expect.stringMatching(/would free 4\d\.\d KiB/)])
  const done = await runTroveInside(['gc', '--now', '--json'], environment)
  expect(JSON.parse(done.text)).toMatchObject({ expired: 0, deletedArtifacts: 1, waitingBytes: 0 })
})

test('on a data directory that a server holds asks that server, with the key of the directory', async () => {
  await deletedArtifact()
  const args = ['gc', '--now', '--json', '--data', server.dataDir, '--url', server.url]
  const done = await runTroveInside(args)
  expect([done.status, done.stderr]).toEqual([0, ''])
  expect(JSON.parse(done.text)).toMatchObject({ deletedArtifacts: 1 })
})

test.each([['gc'], ['scrub'], ['recover', '--from-packs'], ['backup', 'copy']])(
  '%s of a directory without a store makes none',
  async (...args) => {
    const root = await makeDirectory()
    expect(await runTroveInside([...args, '--data', 'typo'], {}, root)).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/there (is no store|are no packs) in \S+typo\n/),
    })
    expect(await readdir(root)).toEqual([])
  },
)

test('is for administrators', async () => {
  const token = await server.token()
  const refused = await runTroveInside(['gc'], { TROVE_URL: server.url, TROVE_TOKEN: token })
  expect(refused.status).toBe(6)
})
