/** Requests that arrive before the previous one of their connection was answered. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { inTurn } from '../../src/http/in-turn.ts'
import { openSharedServer } from './open-server.ts'

const server = await openSharedServer()

interface Rig {
  socket: Socket
  /** Requests in progress, which the test answers. */
  begun: { path: string; response: ServerResponse }[]
  paths: string[]
}

async function open(): Promise<Rig> {
  const begun: Rig['begun'] = []
  const paths: string[] = []
  const listening = createServer(
    inTurn(({ url = '' }, response) => {
      begun.push({ path: url, response })
      paths.push(url)
    }),
  ).listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const socket = connect((listening.address() as AddressInfo).port, '127.0.0.1')
  onTestFinished(() => {
    socket.destroy()
    listening.close()
    listening.closeAllConnections()
  })
  return { socket, begun, paths }
}

const requests = (count: number, first = 0): string =>
  Array.from(
    { length: count },
    (_, index) => `GET /${first + index} HTTP/1.1\r\nHost: x\r\n\r\n`,
  ).join('')

test('requests of a connection are handled one after the other', async () => {
  const { socket, begun, paths } = await open()
  socket.write(requests(limits.requestsAheadMax + 1))
  const answers: string[] = []
  socket.on('data', (bytes: Buffer) =>
    answers.push(...(bytes.toString().match(/\[\/\d+\]/g) ?? [])),
  )
  for (let index = 0; index <= limits.requestsAheadMax; index++) {
    await expect.poll(() => begun.length).toBe(1)
    const { path, response } = begun.pop()!
    response.end(`[${path}]`)
  }
  const all = Array.from({ length: limits.requestsAheadMax + 1 }, (_, index) => `/${index}`)
  await expect.poll(() => answers).toEqual(all.map((path) => `[${path}]`))
  expect(paths).toEqual(all)
  // The connection can be used again.
  socket.write(requests(1, 99))
  await expect.poll(() => begun.map(({ path }) => path)).toEqual(['/99'])
})

test('a connection with too many waiting requests is closed, and those never start', async () => {
  const { socket, begun } = await open()
  socket.write(requests(limits.requestsAheadMax + 2))
  await once(socket, 'close')
  const [{ response }] = begun as [Rig['begun'][0]]
  if (!response.closed) await once(response, 'close')
  await new Promise(setImmediate)
  expect(begun.map(({ path }) => path)).toEqual(['/0'])
})

test('the server does so with and without a token', async () => {
  const { hostname, port } = new URL(server.url)
  const answersOf = async (count: number): Promise<number> => {
    const socket = connect(Number(port), hostname)
    socket.write(requests(count - 1) + requests(1).replace('\r\n', '\r\nConnection: close\r\n'))
    let received = ''
    socket.on('data', (bytes) => (received += String(bytes))).on('error', () => {})
    await new Promise((closed) => socket.once('close', closed))
    return received.match(/HTTP\/1\.1 404 /g)?.length ?? 0
  }
  expect(await answersOf(8)).toBe(8)
  expect(await answersOf(1000)).toBeLessThanOrEqual(limits.requestsAheadMax + 1)
})
