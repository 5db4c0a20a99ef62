/** The framing of listings, one JSON value per line: the client reads what the server writes,
 *  however the body is split. */
import { serve } from '@hono/node-server'
import fc from 'fast-check'
import { Hono } from 'hono'
import { createServer, get, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Answer } from '../../src/client/transport/answer.ts'
import { readComparison } from '../../src/client/comparison.ts'
import { linesOf as readLines } from '../../src/client/transport/lines.ts'
import { parseReference } from '../../src/core/reference.ts'
import type { AppEnv } from '../../src/http/context.ts'
import { linesOf as writeLines, sendPieces } from '../../src/http/body/lines.ts'
import { createLog } from '../../src/log.ts'
import { openServer } from './open-server.ts'
import { countingTurns } from '../loop-turns.ts'

const context = { config: { idleMs: 60_000 } }

async function written(values: object[]): Promise<Buffer> {
  return await buffer(writeLines(values))
}

/** A response whose body arrives in pieces of these lengths, repeated. */
function cut(bytes: Buffer, lengths: number[]): Answer {
  return {
    status: 200,
    header: () => null,
    bytes: async () => await Promise.resolve(bytes),
    discard: () => {},
    async *chunks() {
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const length = lengths[turn % lengths.length]!
        yield await Promise.resolve(bytes.subarray(at, at + length))
        at += length
      }
    },
  }
}

async function read(answer: Answer): Promise<unknown[]> {
  const values: unknown[] = []
  for await (const line of readLines({ url: 'http://127.0.0.1' }, answer))
    values.push(JSON.parse(line))
  return values
}

describe('one value per line', () => {
  // As the unit `binary` of fast-check, which begins with a table of all: that takes a second.
  const character = fc
    .integer({ min: 0, max: 0x10_ffff })
    .filter((code) => code < 0xd800 || code > 0xdfff)
    .map((code) => String.fromCodePoint(code))
  const value = fc.record({
    path: fc.oneof(
      fc.string({ unit: fc.oneof(fc.string({ minLength: 1, maxLength: 1 }), character) }),
      fc.constantFrom('a\nb', 'a\r\nb', '\u2028', '\u0085', '"\\', '\u{1f600}', 'e\u0301'),
    ),
    size: fc.maxSafeNat(),
  })

  test('is read as written, wherever the body is split', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 }),
        async (values, lengths) => {
          const bytes = await written(values)
          // A line feed ends each value and occurs nowhere else.
          expect(bytes.filter((byte) => byte === 0x0a)).toHaveLength(values.length)
          expect(await read(cut(bytes, lengths))).toEqual(values)
        },
      ),
    )
  })

  test('is written in pieces that do not grow with the listing', async () => {
    const many = Array.from({ length: 20_000 }, (_, index) => ({ path: `file ${index}` }))
    let largest = 0
    let count = 0
    for await (const piece of writeLines(many)) {
      largest = Math.max(largest, piece.length)
      count += 1
    }
    expect(count).toBeGreaterThan(5)
    expect(largest).toBeLessThan(70_000)
  })

  test('yields to the event loop before each piece, however fast it is read', async () => {
    const app = new Hono<AppEnv>()
    const many = Array.from({ length: 100_000 }, (_, index) => ({ path: `file ${index}` }))
    app.get('/', async (c) => {
      return await sendPieces(context, c, writeLines(many), { type: 'x/y' })
    })
    const response = await app.request('/')
    let pieces = 0
    const { turns } = await countingTurns(async () => {
      for await (const _piece of response.body!) pieces += 1
    })
    expect(pieces).toBeGreaterThan(20)
    expect(turns).toBeGreaterThanOrEqual(pieces - 2)
  })

  test('that ends within a value is an error', async () => {
    const bytes = await written([{ path: 'a' }, { path: 'b' }])
    for (const end of [1, bytes.length - 1]) {
      await expect(read(cut(bytes.subarray(0, end), [3]))).rejects.toThrow(/incomplete listing/)
    }
  })

  test('without an end is rejected instead of being buffered', async () => {
    const endless = Buffer.alloc(1024 * 1024, 'x')
    await expect(read(cut(endless, [65_536]))).rejects.toThrow(/an overlong line/)
  })
})

test('a client that hangs up is not logged as a failure', async () => {
  const logged: string[] = []
  const app = new Hono<AppEnv>()
  const hungUp = new AbortController()
  const settled = new AbortController()
  const pieces = (async function* () {
    yield Buffer.from('{}\n')
    await once(hungUp.signal, 'abort')
    setImmediate(() => settled.abort())
    yield Buffer.from('{}\n')
  })()
  app.get('/', async (c) => {
    c.set(
      'log',
      createLog('info', (line) => logged.push(line)),
    )
    c.env.outgoing.once('close', () => setImmediate(() => hungUp.abort()))
    return await sendPieces(context, c, pieces, { type: 'x/y' })
  })
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
  if (!server.listening) await once(server, 'listening')
  onTestFinished(() => {
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const request = get({ port, host: '127.0.0.1', agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.on('error', () => undefined)
  await once(response, 'data')
  request.destroy()
  await once(settled.signal, 'abort')
  expect(logged).toEqual([])
})

test('a comparison with fewer lines than its head counts is an error', async () => {
  const trove = await openServer()
  onTestFinished(async () => {
    await trove.close()
  })
  await trove.put('1/n', { body: 'one' })
  await trove.put('2/n', { body: 'two' })
  const headers = { accept: 'application/x-ndjson' }
  const whole = await trove.send('/api/v1/compare?base=1/n&head=2/n', { headers })
  const [head, ...differences] = (await whole.text()).trimEnd().split('\n')
  expect(differences).toHaveLength(1)
  const server = createServer((request, response) => {
    request.resume()
    response.end(`${head}\n`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
  })
  const access = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 'x' }
  const references = { base: parseReference('1/n'), head: parseReference('2/n') }
  const { signal } = new AbortController()
  const received = await readComparison(access, references, { project: null, signal })
  const paths: string[] = []
  const all = async (): Promise<void> => {
    for await (const { path } of received.differences) paths.push(path)
  }
  await expect(all()).rejects.toThrow(/incomplete comparison/)
  expect(paths).toEqual([])
})
