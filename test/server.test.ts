/** The server as imported by other programs (`exports` of package.json), in its compiled but
 *  unbundled form. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { readServerConfig } from '../src/config/config.ts'
import { createLog } from '../src/log.ts'
import { openMetadataThreads } from '../src/metadata/sqlite/thread/sqlite-worker.ts'
import { startServer } from '../src/server.ts'
import { freePort } from './free-port.ts'
import { whileDiskRefuses } from './refusing-disk.ts'
import { testDirectory } from './temporary-directory.ts'

test('a server embedded in another program returns the errors of its worker threads to clients', async () => {
  const dataDir = testDirectory()
  const script = `
    import { openKeys } from './dist/src/auth/key.js'
    import { adminGrant, mintToken } from './dist/src/auth/tokens.js'
    import { readServerConfig } from './dist/src/config/config.js'
    import { createLog } from './dist/src/log.js'
    import { startServer } from './dist/src/server.js'
    const config = readServerConfig({ data: process.argv[1], port: '0' }, {})
    const server = await startServer(config, { log: createLog('error') })
    const { tokens } = await openKeys(process.argv[1])
    const token = await mintToken(tokens, adminGrant(Date.now(), 60_000))
    const put = async (type, body) => {
      const headers = { authorization: 'Bearer ' + token, 'content-type': type }
      const path = '/api/v1/projects/octo/app/runs/1/artifacts/a'
      return (await fetch(server.url + path, { method: 'PUT', headers, body })).status
    }
    // One rejected by the ingest thread, one accepted, and one rejected by the metadata thread.
    const statuses = [await put('application/x-tar', 'x'), await put('text/plain', 'one')]
    statuses.push((await fetch(server.url + '/api/v1/artifacts/1/undelete', {
      method: 'POST', headers: { authorization: 'Bearer ' + token },
    })).status)
    console.log(JSON.stringify(statuses))
    await server.close()`
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '-e',
    script,
    dataDir,
  ])
  expect(JSON.parse(stdout)).toEqual([400, 201, 404])
})

test('a stop while the disk accepts no writes closes everything', async () => {
  const config = readServerConfig({ data: testDirectory(), port: '0' }, {})
  const start = async () => await startServer(config, { log: createLog('error') })
  const server = await start()
  await expect(whileDiskRefuses(async () => await server.close())).resolves.toBeUndefined()
  // The data directory is unlocked.
  await (await start()).close()
})

test('a server that still starts is alive but not ready, and its clients may repeat what they sent', async () => {
  const port = await freePort()
  const config = readServerConfig({ data: testDirectory(), port: String(port) }, {})
  const url = `http://127.0.0.1:${port}`
  const body = Buffer.alloc(100_000)
  const probe = async (): Promise<unknown> => {
    const answers = [
      await fetch(`${url}/healthz`),
      await fetch(`${url}/readyz`),
      await fetch(`${url}/octo/demo`),
      await fetch(`${url}/api/v1/uploads`, { method: 'POST', body }),
    ]
    return answers.map(({ status, headers }) => [status, headers.get('retry-after')])
  }
  let seen: unknown
  const server = await startServer(config, {
    log: createLog('error'),
    openMetadata: async (options) => {
      seen = await probe()
      return await openMetadataThreads(options)
    },
  })
  onTestFinished(async () => await server.close())
  expect(seen).toEqual([
    [200, null],
    [503, null],
    [503, '2'],
    [503, '2'],
  ])
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
})

test('a start that fails leaves neither the port nor the data directory taken', async () => {
  const port = await freePort()
  const config = readServerConfig({ data: testDirectory(), port: String(port) }, {})
  const log = createLog('error')
  const openMetadata = async (): Promise<never> => {
    throw new Error('no database')
  }
  await expect(startServer(config, { log, openMetadata })).rejects.toThrow('no database')
  await (await startServer(config, { log })).close()
})
