/** Request bodies over real sockets: limits, broken senders, silence, and responses to a client
 *  that is still sending. */
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { text as readText } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { StoreError } from '../../src/core/errors.ts'
import type { BodyContext } from '../../src/http/body/body-context.ts'
import { adminGrant } from '../../src/auth/tokens.ts'
import { limits } from '../../src/core/limits.ts'
import type { AppEnv, AppRequest } from '../../src/http/context.ts'
import { nobody } from './open-server.ts'
import { requireSmallShape } from '../../src/http/body/json-shape.ts'
import {
  drainBody,
  fieldsLimit,
  openRequestBody,
  readJsonBody,
} from '../../src/http/body/request-body.ts'

const context: BodyContext = {
  // Longer than a busy machine delays a sender.
  config: { idleMs: 10_000 },
  metrics: {
    received: (bytes) => {
      receivedBytes += bytes
    },
  },
  revocations: { has: () => false },
  people: nobody,
}
const limit = { bytesMax: 1000, limit: 'bytes of a body', setting: 'TROVE_TEST' }

let receivedBytes = 0
let server: Server
let port = 0
let failures: StoreError[] = []
let failed: (() => void) | undefined
let left: Readable | undefined

beforeAll(async () => {
  const app = new Hono<AppEnv>()
  app.use('*', async (c, next) => {
    await next()
    if (!(await drainBody(c))) c.res.headers.set('connection', 'close')
  })
  app.put('/read/:idleMs', async (c) => {
    const impatient = { ...context, config: { idleMs: Number(c.req.param('idleMs')) } }
    let bytes = 0
    for await (const chunk of openRequestBody(impatient, c, limit))
      bytes += (chunk as Buffer).length
    return c.text(String(bytes))
  })
  app.put('/whole/:wholeMs', async (c) => {
    const bounded = { ...limit, wholeMs: Number(c.req.param('wholeMs')) }
    let bytes = 0
    for await (const chunk of openRequestBody(context, c, bounded))
      bytes += (chunk as Buffer).length
    return c.text(String(bytes))
  })
  app.put('/parts', async (c) => {
    let parts = 0
    for await (const _ of openRequestBody(context, c, { ...limit, bytesMax: 2 ** 20 })) parts += 1
    return c.text(`of ${parts}`)
  })
  app.put('/part', async (c) => {
    for await (const chunk of openRequestBody(context, c, { ...limit, bytesMax: 2 ** 40 })) {
      if ((chunk as Buffer).length > 0) return c.text('enough')
    }
    return c.text('empty')
  })
  app.put('/leave', async (c) => {
    left = openRequestBody(context, c, limit)
    for await (const _ of left.iterator({ destroyOnReturn: false })) break
    return c.text('left')
  })
  app.put('/json', async (c) => c.json(await readJsonBody(context, c)))
  app.put('/refuse', (c) => c.text('refused', 403))
  app.onError((error, c) => {
    if (!(error instanceof StoreError)) throw error
    failures.push(error)
    failed?.()
    return c.text(error.code, 400)
  })
  server = createAdaptorServer({ fetch: app.fetch, autoCleanupIncoming: false }) as Server
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})

beforeEach(() => {
  failures = []
  failed = undefined
  receivedBytes = 0
})

afterAll(() => {
  server.close()
  server.closeAllConnections()
})

async function send(path: string, body: string | Buffer): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'PUT', body })
  return `${response.status} ${await response.text()}`
}

function open(head: string): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(head)
  return socket
}

async function failure(): Promise<StoreError> {
  if (failures[0] === undefined) {
    await new Promise<void>((resolve) => {
      failed = resolve
    })
  }
  return failures[0] as StoreError
}

test('a body is read whole, counted, and may have exactly the size of the limit', async () => {
  expect(await send('/read/10000', Buffer.alloc(1000))).toBe('200 1000')
  expect(await send('/read/10000', '')).toBe('200 0')
  expect(receivedBytes).toBe(1000)
})

test('a body that announces too much is rejected before it is read', async () => {
  expect(await send('/read/10000', Buffer.alloc(1001))).toBe('400 too_large')
  expect(receivedBytes).toBe(0)
  expect(failures[0]?.details).toEqual({
    limit: 'bytes of a body',
    limitValue: 1000,
    setting: 'TROVE_TEST',
  })
})

test('a chunked body is rejected at the first byte past the limit', async () => {
  const socket = open('PUT /read/10000 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
  socket.write(`3e8\r\n${'x'.repeat(1000)}\r\n`)
  socket.write('1\r\nx\r\n0\r\n\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString()).toContain('too_large')
  socket.destroy()
})

/** Sends each byte of `text` as a chunk of its own; returns the server's response. */
async function sendByBytes(path: string, text: string): Promise<string> {
  const head = 'Host: x\r\nConnection: close\r\nTransfer-Encoding: chunked'
  const socket = open(`PUT ${path} HTTP/1.1\r\n${head}\r\n\r\n`)
  socket.write(`${Array.from(text, (byte) => `1\r\n${byte}\r\n`).join('')}0\r\n\r\n`)
  return await readText(socket)
}

test('one-byte chunks are read many at a time', async () => {
  const [, parts] = /of (\d+)/.exec(await sendByBytes('/parts', 'x'.repeat(50_000)))!
  expect(Number(parts)).toBeLessThan(500)
  const text = JSON.stringify({ a: 'b'.repeat(9000) })
  expect(await sendByBytes('/json', text)).toContain(text)
})

test('a sender that breaks off causes incomplete_body with both lengths', async () => {
  const socket = open(
    'PUT /read/10000 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n0123456789',
  )
  socket.end()
  socket.destroySoon()
  expect(await failure()).toMatchObject({
    code: 'incomplete_body',
    details: { expectedBytes: 100, actualBytes: 10 },
  })
})

test('a sender that breaks off after its reader has stopped causes no error', async () => {
  const uncaught: unknown[] = []
  const note = (error: unknown): void => {
    uncaught.push(error)
  }
  process.on('uncaughtException', note)
  const socket = open('PUT /leave HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n0123456789')
  await expect.poll(() => left?.listenerCount('readable')).toBe(0)
  socket.resetAndDestroy()
  await expect.poll(() => left?.errored).toMatchObject({ code: 'incomplete_body' })
  process.off('uncaughtException', note)
  expect(uncaught).toEqual([])
})

test('a silent sender is disconnected after the idle limit', async () => {
  const socket = open('PUT /read/150 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n0123456789')
  const closed = once(socket, 'close')
  const startedAt = performance.now()
  expect(await failure()).toMatchObject({ code: 'idle_timeout', details: { limitMs: 150 } })
  await closed
  expect(performance.now() - startedAt).toBeGreaterThan(140)
})

test('a slow sender that keeps sending is not disconnected', async () => {
  // Twice the limit in total; each pause is far enough below it for a busy machine.
  const socket = open('PUT /read/2000 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n')
  for (const byte of 'abcde') {
    await new Promise((resolve) => setTimeout(resolve, 800))
    socket.write(byte)
  }
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 [^]*5$/)
  socket.destroy()
})

test('a sender that nobody knows is disconnected, however it sends, when its time is over', async () => {
  const stranger = { var: {} } as unknown as AppRequest
  expect(fieldsLimit(stranger, 'bytes')).toMatchObject({ wholeMs: limits.strangerBodyMs })
  const known = { var: { principal: adminGrant(0, 1) } } as unknown as AppRequest
  expect(fieldsLimit(known, 'bytes')).not.toHaveProperty('wholeMs')
  const socket = open('PUT /whole/400 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n')
  const sending = setInterval(() => socket.write('a'), 20)
  // What is sent meanwhile may be answered with a reset.
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  try {
    expect(await failure()).toMatchObject({ code: 'idle_timeout', details: { limitMs: 400 } })
    await closed
  } finally {
    clearInterval(sending)
  }
  expect(await send('/whole/60000', 'in time')).toBe('200 7')
})

test('a rejection reaches a client that is still sending a large body, and the connection stays usable', async () => {
  const body = Buffer.alloc(32 * 1024 * 1024)
  for (let turn = 0; turn < 3; turn += 1) expect(await send('/refuse', body)).toBe('403 refused')
  expect(await send('/part', body)).toBe('200 enough')
})

test('JSON is parsed, an absent body is an empty object, malformed JSON is rejected', async () => {
  expect(await send('/json', '{"a":1}')).toBe('200 {"a":1}')
  expect(await send('/json', '')).toBe('200 {}')
  expect(await send('/json', '{"a":')).toBe('400 invalid_request')
  expect(await send('/json', Buffer.alloc(2 * 1024 * 1024, 0x20))).toBe('400 too_large')
})

test('a JSON body may be nested only so deep', async () => {
  const nested = (levels: number): string =>
    `{"a":${'['.repeat(levels - 1)}"]\\"]}"${']'.repeat(levels - 1)}}`
  expect(await send('/json', nested(100))).toBe(`200 ${nested(100)}`)
  expect(await send('/json', nested(101))).toBe('400 too_large')
  expect(failures[0]?.message).toBe('a JSON body must be nested at most 100 levels deep')
  expect(await send('/json', '['.repeat(500_000) + ']'.repeat(500_000))).toBe('400 too_large')
  const flat = JSON.stringify(['['.repeat(200), '"\\'.repeat(200)].map((each) => [each, {}]))
  expect(await send('/json', flat)).toBe(`200 ${flat}`)
})

test('a JSON body may have only so many fields', () => {
  const wide = (fields: number): Buffer =>
    Buffer.from(JSON.stringify(Array.from({ length: fields }, () => ({ '::"::': '::\\"::' }))))
  requireSmallShape(wide(16_384))
  expect(() => requireSmallShape(wide(16_385))).toThrow(
    'a JSON body must have at most 16384 fields',
  )
})
