/** More connections than a server accepts. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { testDirectory } from '../temporary-directory.ts'

test('unauthenticated connections leave enough files for an upload', async () => {
  const dataDir = testDirectory()
  const script = `
    import { once } from 'node:events'
    import { connect } from 'node:net'
    import { openKeys } from './dist/src/auth/key.js'
    import { adminGrant, mintToken } from './dist/src/auth/tokens.js'
    import { readServerConfig } from './dist/src/config/config.js'
    import { createLog } from './dist/src/log.js'
    import { startServer } from './dist/src/server.js'
    const config = readServerConfig({ data: process.argv[1], port: '0' }, { TROVE_WORKERS: '1' })
    const server = await startServer(config, { log: createLog('error') })
    const { port } = new URL(server.url)
    // Node opens hundreds of module files at once, so the limit must be higher; each connection
    // also takes a file on this side.
    let held = 0
    for (let index = 0; index < 300; index++) {
      const socket = connect(Number(port), '127.0.0.1').on('close', () => held--).on('error', () => {})
      await once(socket, 'connect')
      held++
    }
    const { tokens } = await openKeys(process.argv[1])
    const token = await mintToken(tokens, adminGrant(Date.now(), 60_000))
    const url = server.url + '/api/v1/projects/octo/app/runs/1/artifacts/a'
    const headers = { authorization: 'Bearer ' + token }
    const { status } = await fetch(url, { method: 'PUT', headers, body: 'x' })
    console.log(JSON.stringify([status, held < 150]))
    process.exit()`
  const command = 'ulimit -n 450 && exec "$@"'
  const node = [process.execPath, '--input-type=module', '-e', script, dataDir]
  const { stdout } = await promisify(execFile)('sh', ['-c', command, 'sh', ...node])
  expect(JSON.parse(stdout)).toEqual([201, true])
})
