/** Interim responses: a waiting client hears something, and still gets the final status. */
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { once } from 'node:events'
import { get, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import type { AppEnv } from '../../src/http/context.ts'
import { sendProcessing } from '../../src/http/body/processing.ts'

/** A server whose only response waits for `release`. */
async function openSlowServer(): Promise<{ port: number; release(): void; close(): void }> {
  let release: () => void = () => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const app = new Hono<AppEnv>()
  app.get('/', async (c) => {
    const stopSaying = sendProcessing(c, 5)
    await released
    stopSaying()
    return c.text('late', 409)
  })
  const server = createAdaptorServer({ fetch: app.fetch }) as Server
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    release,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

test('a waiting client gets interim responses and then the final one', async () => {
  const server = await openSlowServer()
  const request = get({ port: server.port, host: '127.0.0.1' })
  const [first] = (await once(request, 'information')) as [{ statusCode: number }]
  await once(request, 'information')
  expect(first.statusCode).toBe(102)
  server.release()
  const [response] = (await once(request, 'response')) as [{ statusCode: number }]
  expect(response.statusCode).toBe(409)
  server.close()
})

test.each([
  ['an HTTP/1.0 client', 'GET / HTTP/1.0\r\nHost: x\r\n\r\n'],
  [
    'a client behind a proxy',
    'GET / HTTP/1.1\r\nHost: x\r\nVia: 1.1 proxy\r\nConnection: close\r\n\r\n',
  ],
])('%s gets none', async (_, head) => {
  const server = await openSlowServer()
  const socket = connect(server.port, '127.0.0.1')
  socket.write(head)
  let seen = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    seen += text
  })
  // Several times the interval.
  setTimeout(() => {
    server.release()
  }, 60)
  await once(socket, 'close')
  expect(seen).toMatch(/^HTTP\/1\.1 409 /)
  server.close()
})
