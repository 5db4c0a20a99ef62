/** More connections than a server accepts. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { createConnections } from '../../src/http/connections.ts'
import { testDirectory } from '../temporary-directory.ts'

async function openRig(max: number) {
  const connections = createConnections()
  /** Requests in progress, by path. */
  const begun = new Map<string, ServerResponse>()
  const server = createServer(
    connections.whileBusy(({ url = '' }, response) => void begun.set(url, response)),
  )
  connections.bound(server, max)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const open = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {}).resume()
    onTestFinished(() => void socket.destroy())
    const accepted = Promise.race([once(server, 'connection'), once(server, 'drop')])
    await Promise.all([once(socket, 'connect'), accepted])
    return socket
  }
  const ask = async (socket: Socket, path: string): Promise<void> => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await expect.poll(() => begun.has(path)).toBe(true)
  }
  const answer = async (path: string): Promise<void> => {
    const response = begun.get(path)!
    response.end('answer')
    await once(response, 'close')
  }
  return { connections, open, ask, answer }
}

const areClosed = (...sockets: Socket[]): boolean[] => sockets.map(({ closed }) => closed)

test('the connection idle for longest is closed to make room, and never a busy one', async () => {
  const { connections, open, ask, answer } = await openRig(4)
  const busy = await open()
  await ask(busy, '/busy')
  const answered = await open()
  const silent = await open()
  await ask(answered, '/answered')
  await answer('/answered')
  const third = await open()
  await expect
    .poll(() => areClosed(busy, answered, silent, third))
    .toEqual([false, false, true, false])
  const fourth = await open()
  await expect
    .poll(() => areClosed(busy, answered, third, fourth))
    .toEqual([false, true, false, false])
  expect(connections.open.size).toBe(3)
  await answer('/busy')
  await ask(busy, '/again')
})

test('while all connections are busy, new ones are rejected', async () => {
  const { open, ask, answer } = await openRig(2)
  const first = await open()
  await ask(first, '/first')
  const second = await open()
  await ask(second, '/second')
  const third = await open()
  await expect.poll(() => areClosed(first, second, third)).toEqual([false, false, true])
  await answer('/first')
  // It is closed to make room for the next attempt.
  const refused = await open()
  await expect.poll(() => areClosed(first, second, refused)).toEqual([true, false, true])
  await ask(await open(), '/next')
})

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
