/** Connections that are opened before a request needs them. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, createServer as createRelay, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { connectEarly } from '../../src/client/transport/agents.ts'
import { requestBytes } from '../../src/client/transport/http.ts'
import { listen } from './listen.ts'
import { openClientServer, uploadDirectory } from './shared-server.ts'
import { makeDirectory } from './tree.ts'

const { url: origin, token } = await openClientServer()

/** Passes bytes on to the server. Returns how many connections there were when each response
 *  began. */
async function startRelay(): Promise<{ url: string; opened: number[]; count(): number }> {
  const opened: number[] = []
  let count = 0
  const relay = createRelay((client) => {
    count += 1
    const upstream = connect(Number(new URL(origin).port), '127.0.0.1')
    upstream.on('data', () => opened.push(count))
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.pipe(upstream).pipe(client)
    onTestFinished(() => void client.destroy())
  })
  return { url: await listen(relay), opened, count: () => count }
}

test('the next request uses the connection that was opened early, only one does', async () => {
  const server = createServer((_, response) => response.end('x'))
  const url = await listen(server)
  let count = 0
  server.on('connection', () => (count += 1))
  connectEarly({ url })
  connectEarly({ url })
  await once(server, 'connection')
  const get = async (): Promise<Buffer> => await requestBytes({ url, token: null }, { path: '/' })
  await get()
  expect(count).toBe(1)
  await Promise.all([get(), get()])
  expect(count).toBe(2)
})

test('a connection that was opened early and failed or ended is not used', async () => {
  const gone = createServer()
  const closed = await listen(gone)
  gone.close()
  await once(gone, 'close')
  connectEarly({ url: closed })
  const server = createServer((_, response) => response.end('x'))
  const url = await listen(server)
  server.once('connection', (socket: Socket) => socket.destroy())
  connectEarly({ url })
  const [first] = (await once(server, 'connection')) as [Socket]
  if (!first.closed) await once(first, 'close')
  expect(String(await requestBytes({ url, token: null }, { path: '/' }))).toBe('x')
  await expect(
    requestBytes({ url: closed, token: null }, { path: '/', repeatable: false }),
  ).rejects.toThrow('ECONNREFUSED')
})

test('an upload and a download open their second connection with their first', async () => {
  const relay = await startRelay()
  const root = await makeDirectory({ a: 'a', b: 'b', 'c/d': 'd' })
  const client = createClient({ url: relay.url, token, cacheDir: null })
  const { artifact } = await uploadDirectory(client, root, { jobs: 2 })
  // The offer is on its way while the connection for the times opens.
  expect(relay.opened[0]).toBe(2)
  expect(relay.count()).toBe(2)

  const other = await startRelay()
  const downloading = createClient({ url: other.url, token, cacheDir: null })
  const destination = join(await makeDirectory(), 'back')
  await downloading.download({ artifact, destination, jobs: 2 })
  expect(other.opened[0]).toBe(2)
})
