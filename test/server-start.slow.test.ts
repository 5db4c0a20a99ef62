/** The server as imported by other programs (`exports` of package.json), in its compiled but
 *  unbundled form. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createClient } from '../src/client/client.ts'
import { readServerConfig } from '../src/config/config.ts'
import { createLog } from '../src/log.ts'
import { startServer } from '../src/server.ts'
import { zipOf } from './actions/archives.ts'
import { callerOf, putBlocks, tokenFor } from './actions/rig.ts'
import { testDirectory } from './temporary-directory.ts'

test('a start logs a leftover pack that it cannot remove, and continues', async () => {
  const dataDir = testDirectory()
  const config = readServerConfig({ data: dataDir, port: '0' }, {})
  await (await startServer(config, { log: createLog('error') })).close()
  const stuck = 'ab'.repeat(16)
  // A directory cannot be unlinked.
  await mkdir(join(dataDir, 'cas', 'packs', 'ab', `${stuck}.zip`), { recursive: true })
  const lines: string[] = []
  const log = createLog('warn', (line) => lines.push(line))
  const server = await startServer(config, { log })
  onTestFinished(async () => await server.close())
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { level: 'warn', message: 'cannot remove an unregistered pack', pack: stuck },
  ])
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
})

test('a start with a clock that is ahead removes nothing, so an upload can continue once the clock is right', async () => {
  const dataDir = testDirectory()
  const config = readServerConfig({ data: dataDir, port: '0' }, {})
  let now = Date.now()
  const run = async (work: (url: string, token: string) => Promise<void>): Promise<void> => {
    const server = await startServer(config, {
      log: createLog('error'),
      now: () => now,
      elapsedMs: () => 0,
    })
    try {
      await work(server.url, await tokenFor(dataDir, {}, now))
    } finally {
      await server.close()
    }
  }
  const zip = zipOf({ a: 'content' })
  await run(async (url, token) => {
    await putBlocks(await callerOf(url, token, 'test').create('site'), [['YQ==', zip]])
  })
  now += 48 * 60 * 60 * 1000
  await run(async () => {})
  now -= 48 * 60 * 60 * 1000
  await run(async (url, token) => {
    expect(await callerOf(url, token, 'test').finalize('site', zip)).toMatchObject({ status: 200 })
  })
})

test('what is uploaded or extended by a clock that is behind does not expire when it is corrected', async () => {
  const dataDir = testDirectory()
  const config = readServerConfig({ data: dataDir, port: '0' }, {})
  const right = Date.now()
  let now = right
  const open = async (): ReturnType<typeof startServer> =>
    await startServer(config, { log: createLog('error'), now: () => now, elapsedMs: () => 0 })
  await (await open()).close()
  now -= 200 * 24 * 60 * 60 * 1000
  const server = await open()
  onTestFinished(async () => await server.close())
  const behind = await tokenFor(dataDir, { project: 'octo/demo' }, now)
  const stock = callerOf(server.url, behind, 'test')
  const zip = zipOf({ a: 'content' })
  await putBlocks(await stock.create('stock'), [['YQ==', zip]])
  expect(await stock.finalize('stock', zip)).toMatchObject({ status: 200 })
  const headers = { authorization: `Bearer ${behind}`, 'content-type': 'application/zip' }
  const root = `${server.url}/api/v1/projects/octo/demo/runs/1/artifacts`
  const put = await fetch(`${root}/put?retentionDays=30`, { method: 'PUT', headers, body: zip })
  expect(put.status).toBe(201)
  const client = createClient({ url: server.url, token: behind, cacheDir: null })
  await mkdir(join(dataDir, 'files'))
  await writeFile(join(dataDir, 'files', 'a'), 'content')
  const source = { kind: 'patterns', patterns: ['.'], directory: join(dataDir, 'files') } as const
  await client.upload({ name: 'native', source, project: 'octo/demo', run: 1 })
  const { artifact } = await client.upload({
    name: 'extended',
    source,
    project: 'octo/demo',
    run: 1,
  })
  const day = 24 * 60 * 60
  const writer = await tokenFor(dataDir, { project: 'octo/demo', scope: 'write' }, now)
  const changing = createClient({ url: server.url, token: writer, cacheDir: null })
  await changing.retain(artifact.id, { expiresInSeconds: 7 * day })
  now = right
  const token = await tokenFor(dataDir, { project: 'octo/demo' }, now)
  const reader = createClient({ url: server.url, token, cacheDir: null })
  const found: Record<string, number> = {}
  for await (const { name, expiresAt } of reader.list({ project: 'octo/demo', run: 1 }))
    found[name] = Math.round((Date.parse(expiresAt) - right) / (1000 * day))
  expect(found).toEqual({ stock: 90, put: 30, native: 90, extended: 7 })
})
