/** More connections than a server accepts. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createConnections } from '../../src/http/connections.ts'

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
  const begin = (path: string): ServerResponse => begun.get(path)!
  return { connections, open, ask, answer, begin }
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

test('without an idle connection, the one that has not read its response for longest is closed', async () => {
  const { open, ask, begin } = await openRig(4)
  const busy = await open()
  await ask(busy, '/busy')
  const large = Buffer.alloc(32 * 1024 * 1024)
  const slow = await open()
  const slower = await open()
  for (const [socket, path] of [
    [slower, '/slower'],
    [slow, '/slow'],
  ] as const) {
    socket.pause()
    await ask(socket, path)
    begin(path).end(large)
  }
  await open()
  await expect.poll(() => begin('/slower').destroyed).toBe(true)
  expect(['/busy', '/slow'].map((path) => begin(path).destroyed)).toEqual([false, false])
  expect(begin('/slow').socket?.timeout).toBe(120_000)
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
