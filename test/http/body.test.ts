/** How clients see a representation: over `app.request()` for meaning, over a socket for how
 *  bodies end. */
import { type ServerType, serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createHash, randomBytes } from 'node:crypto'
import { getEventListeners, once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { StoreError, storeError } from '../../src/core/errors.ts'
import type { Representation } from '../../src/egress/representation.ts'
import {
  formatDisposition,
  type SendOptions,
  sendRepresentation,
} from '../../src/http/body/send-representation.ts'
import type { AppEnv } from '../../src/http/context.ts'
import { createLog } from '../../src/log.ts'

const MiB = 1024 * 1024

interface Served {
  app: Hono<AppEnv>
  /** Number of chunks requested so far. */
  chunks(): number
  /** Resolves with the abort reason, once the reader's generator is closed. */
  ended: Promise<unknown>
  /** The log lines. */
  logged: string[]
}

function appWith(
  bytes: Buffer,
  options: Partial<SendOptions> & {
    cut?: AbortSignal
    idleMs?: number
    chunkBytes?: number
    failAt?: number
    failure?: Error
    unreadable?: boolean
    representation?: Partial<Representation>
    onChunk?: (count: number) => void
    /** Whether a middleware sets a header afterwards, as ours do; node-server then sends the
     *  body on another code path. */
    touched?: boolean
  } = {},
): Served {
  const { chunkBytes = 64 * 1024, failAt, failure, unreadable, onChunk } = options
  let chunks = 0
  let end: (reason: unknown) => void = () => undefined
  const ended = new Promise<unknown>((resolve) => {
    end = resolve
  })
  const representation: Representation = {
    contentType: 'application/zip',
    fileName: 'häß "it\'s".zip',
    totalBytes: bytes.length,
    etag: '"tag"',
    digest: digestOf(bytes),
    contentEncoding: null,
    verifyReadable: async () => {
      if (unreadable === true)
        throw storeError('blob_damaged', 'damaged', { digest: null, paths: ['a'] })
    },
    read: async function* (start, stop, signal) {
      try {
        for (let at = start; at < stop; at += chunkBytes) {
          signal?.throwIfAborted()
          chunks += 1
          onChunk?.(chunks)
          if (failAt !== undefined && at + chunkBytes > failAt) {
            throw failure ?? storeError('blob_damaged', 'damaged', { digest: null, paths: [] })
          }
          yield bytes.subarray(at, Math.min(at + chunkBytes, stop))
          await new Promise((resolve) => setImmediate(resolve))
        }
      } finally {
        end(signal?.reason)
      }
    },
    ...options.representation,
  }
  const app = new Hono<AppEnv>()
  const logged: string[] = []
  const log = createLog('info', (line) => logged.push(line))
  app.use(async (c, next) => {
    await next()
    if (options.touched === true) c.res.headers.set('x-request-id', '1')
  })
  app.get('/', async (c) => {
    c.set('log', log)
    const { mode = 'ranged', disposition = 'attachment', cacheControl = 'no-cache' } = options
    const { cut = new AbortController().signal, idleMs = 60_000 } = options
    const context = { config: { idleMs }, graceOver: cut }
    return await sendRepresentation(context, c, representation, { mode, disposition, cacheControl })
  })
  app.onError((error, c) => c.text(error instanceof StoreError ? error.code : 'bug', 500))
  return { app, chunks: () => chunks, ended, logged }
}

const servers: ServerType[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function listen(app: Hono<AppEnv>): Promise<number> {
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
  servers.push(server)
  if (!server.listening) await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** What a client receives: the body, and how it ended. */
async function download(
  port: number,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: Buffer; complete: boolean }> {
  const request = http.get({ port, host: '127.0.0.1', headers, agent: false })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  response.on('data', (chunk: Buffer) => chunks.push(chunk))
  // `error` is emitted with `close`; only `complete` shows whether the message ended.
  response.on('error', () => undefined)
  await new Promise((resolve) => response.once('close', resolve))
  const { statusCode = 0, complete } = response
  return { status: statusCode, headers: response.headers, body: Buffer.concat(chunks), complete }
}

describe('headers', () => {
  const bytes = Buffer.from('0123456789')
  const get = async (
    headers: Record<string, string> = {},
    options: Parameters<typeof appWith>[1] = {},
  ): Promise<Response> => await appWith(bytes, options).app.request('/', { headers })

  test('describe a whole body', async () => {
    const response = await get()
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toEqual({
      'accept-ranges': 'bytes',
      'trove-length': String(bytes.length),
      'cache-control': 'no-cache',
      'content-disposition': `attachment; filename="h__ _it_s_.zip"; filename*=UTF-8''h%C3%A4%C3%9F%20%22it%27s%22.zip`,
      'content-length': '10',
      'content-type': 'application/zip',
      etag: '"tag"',
      'repr-digest': `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`,
      'x-content-type-options': 'nosniff',
    })
    expect(await response.text()).toBe('0123456789')
  })

  test('of HEAD equal those of GET, and nothing is read', async () => {
    const served = appWith(bytes)
    const head = await served.app.request('/', { method: 'HEAD', headers: { range: 'bytes=1-2' } })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '10'])
    expect(await head.text()).toBe('')
    expect(served.chunks()).toBe(0)
  })

  test.each([
    [{ range: 'bytes=2-4' }, 206, 'bytes 2-4/10', '234'],
    [{ range: 'bytes=-3' }, 206, 'bytes 7-9/10', '789'],
    [{ range: 'bytes=8-' }, 206, 'bytes 8-9/10', '89'],
    [{ range: 'bytes=0-1,3-4' }, 200, null, '0123456789'],
    [{ range: 'bytes=4-2' }, 200, null, '0123456789'],
    [{ range: 'bytes=2-4', 'if-range': '"tag"' }, 206, 'bytes 2-4/10', '234'],
    [{ range: 'bytes=2-4', 'if-range': 'W/"tag"' }, 200, null, '0123456789'],
    [{ range: 'bytes=2-4', 'if-range': '"other"' }, 200, null, '0123456789'],
    [{ range: 'bytes=2-4', 'if-range': 'Wed, 21 Oct 2026 07:28:00 GMT' }, 200, null, '0123456789'],
    [{ 'if-none-match': '"tag"' }, 304, null, ''],
    [{ 'if-none-match': '"a", W/"tag"', range: 'bytes=2-4' }, 304, null, ''],
    [{ 'if-none-match': '*' }, 304, null, ''],
    [{ 'if-none-match': '"other"' }, 200, null, '0123456789'],
    [{ 'if-match': '"tag"', range: 'bytes=2-4' }, 206, 'bytes 2-4/10', '234'],
  ] as [Record<string, string>, number, string | null, string][])(
    '%j → %i',
    async (headers, status, contentRange, text) => {
      const response = await get(headers)
      expect([response.status, response.headers.get('content-range')]).toEqual([
        status,
        contentRange,
      ])
      expect(response.headers.get('etag')).toBe('"tag"')
      expect(await response.text()).toBe(text)
      if (status === 206) expect(response.headers.get('content-length')).toBe(String(text.length))
    },
  )

  test.each(['"other"', 'W/"tag"'])('for If-Match: %s are refused', async (tags) => {
    const response = await get({ 'if-match': tags })
    expect(await response.text()).toBe('precondition_failed')
  })

  test('for a range outside of the body give its length, with status 416', async () => {
    const response = await get({ range: 'bytes=10-' })
    expect(await response.text()).toBe('range_not_satisfiable')
  })

  test('offer stock clients no ranges, and give no length for a zip', async () => {
    const zip = await get({ range: 'bytes=2-4' }, { mode: 'stock-zip' })
    expect([
      zip.status,
      zip.headers.has('content-length'),
      zip.headers.has('accept-ranges'),
    ]).toEqual([200, false, false])
    const raw = await get({ range: 'bytes=2-4' }, { mode: 'whole' })
    expect([raw.status, raw.headers.get('content-length')]).toEqual([200, '10'])
  })

  test('describe the gzip form, without a digest if none is known', async () => {
    const response = await get({}, { representation: { contentEncoding: 'gzip', digest: null } })
    expect(response.headers.get('content-encoding')).toBe('gzip')
    expect(response.headers.has('repr-digest')).toBe(false)
  })

  test('describe an empty body as a whole body', async () => {
    const response = await appWith(Buffer.alloc(0)).app.request('/')
    expect([
      response.status,
      response.headers.get('content-length'),
      await response.text(),
    ]).toEqual([200, '0', ''])
  })

  test('carry the exact name in the extended form, and in the plain form nothing that breaks clients', () => {
    for (const name of [
      "it's.txt",
      'a;b.txt',
      '100%.txt',
      'ü*(x)!.txt',
      'quo"te\\.txt',
      'lone \ud800.txt',
      'a\r\nb',
    ]) {
      const [, plain, exact] = /^inline; filename="([^"]*)"; filename\*=UTF-8''([\w.~%-]+)$/.exec(
        formatDisposition('inline', name),
      )!
      expect(plain).toMatch(/^[ -~]*$/)
      expect(plain).not.toMatch(/["\\;%']/)
      expect(decodeURIComponent(exact!)).toBe(name.toWellFormed())
    }
  })
})

describe('bodies over a socket', () => {
  const bytes = randomBytes(3 * MiB)

  test('arrive whole, or as the requested range', async () => {
    const port = await listen(appWith(bytes).app)
    const whole = await download(port)
    expect([whole.status, whole.complete, whole.body.equals(bytes)]).toEqual([200, true, true])
    const part = await download(port, { range: 'bytes=1000000-1999999' })
    expect([part.status, part.body.equals(bytes.subarray(1_000_000, 2_000_000))]).toEqual([
      206,
      true,
    ])
    const head = http.request({ port, host: '127.0.0.1', method: 'HEAD', agent: false }).end()
    const [response] = (await once(head, 'response')) as [http.IncomingMessage]
    expect(response.headers['content-length']).toBe(String(bytes.length))
    response.resume()
  })

  test('that cannot be read are rejected with a status', async () => {
    for (const options of [{ unreadable: true }, { failAt: 1 }]) {
      for (const mode of ['ranged', 'whole', 'stock-zip'] as const) {
        const { status, body, complete } = await download(
          await listen(appWith(bytes, { ...options, mode }).app),
        )
        expect([status, body.toString(), complete]).toEqual([500, 'blob_damaged', true])
      }
    }
  })

  test.each(['ranged', 'whole'] as const)(
    '%s: a failure part-way destroys the connection and adds nothing',
    async (mode) => {
      for (const touched of [false, true])
        for (const failAt of [70_000, 140_000, 210_000, MiB, bytes.length - 1]) {
          const port = await listen(appWith(bytes, { mode, failAt, touched }).app)
          const { status, body, complete } = await download(port)
          expect([status, complete]).toEqual([200, false])
          expect(body.length).toBeLessThan(bytes.length)
          expect(body.equals(bytes.subarray(0, body.length))).toBe(true)
        }
    },
  )

  test('stock-zip: a failure part-way ends the message normally, with a tail that no zip reader accepts', async () => {
    for (const touched of [false, true])
      for (const failAt of [70_000, 140_000, 210_000, MiB, bytes.length - 1]) {
        const port = await listen(appWith(bytes, { mode: 'stock-zip', failAt, touched }).app)
        const { status, body, complete, headers } = await download(port)
        expect([status, complete]).toEqual([200, true])
        if (failAt > MiB) expect(headers['transfer-encoding']).toBe('chunked')
        const kept = body.length - 4096
        expect(body.subarray(kept).every((byte) => byte === 0xff)).toBe(true)
        expect(body.subarray(0, kept).equals(bytes.subarray(0, kept))).toBe(true)
        expect(kept).toBeLessThan(bytes.length)
      }
  })

  test('are ended by `graceOver`, each according to its mode', async () => {
    for (const mode of ['ranged', 'stock-zip'] as const) {
      const cut = new AbortController()
      const onChunk = (count: number): void => {
        if (count === 5) cut.abort(new Error('the server stops'))
      }
      const port = await listen(appWith(bytes, { mode, cut: cut.signal, onChunk }).app)
      const { body, complete } = await download(port)
      expect(complete).toBe(mode === 'stock-zip')
      expect(body.length).toBeLessThan(bytes.length)
      expect(body.at(-1) === 0xff && body.at(-4096) === 0xff).toBe(mode === 'stock-zip')
    }
  })

  test('leave nothing on `graceOver`, which lasts as long as the server', async () => {
    const cut = new AbortController()
    for (const given of [{}, { failAt: 100_000 }]) {
      const served = appWith(bytes, { cut: cut.signal, ...given })
      await download(await listen(served.app))
      await served.ended
    }
    expect(getEventListeners(cut.signal, 'abort')).toEqual([])
    // Node keeps the results of `AbortSignal.any` in a field of its own.
    const fields = Object.getOwnPropertySymbols(cut.signal).map((each) => each.description)
    expect(fields).not.toContain('kDependantSignals')
  })

  test.each(['the chunk comes', 'the read fails'])(
    'whose client hangs up are not logged as failures, when %s afterwards',
    async (outcome) => {
      let settle: () => void = () => undefined
      const settled = new Promise<void>((resolve) => {
        settle = resolve
      })
      const { app, logged } = appWith(bytes, {
        representation: {
          read: async function* (_start, _stop, signal) {
            yield bytes.subarray(0, 1)
            await once(signal!, 'abort')
            // The adapter cancels the stream in a later turn of the event loop.
            await new Promise((resolve) => setImmediate(resolve))
            setImmediate(settle)
            if (outcome === 'the read fails') throw new Error('aborted')
            yield bytes.subarray(1)
          },
        },
      })
      const port = await listen(app)
      const request = http.get({ port, host: '127.0.0.1', agent: false })
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      response.on('error', () => undefined)
      await once(response, 'data')
      request.destroy()
      await settled
      expect(logged).toEqual([])
    },
  )

  test('are no longer read once the client hangs up', async () => {
    const large = Buffer.alloc(64 * MiB)
    const served = appWith(large, { chunkBytes: MiB })
    const port = await listen(served.app)
    const request = http.get({ port, host: '127.0.0.1', agent: false })
    request.on('error', () => undefined)
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    await once(response, 'data')
    request.destroy()
    expect(await served.ended).toMatchObject({ message: 'the client hung up' })
    expect(served.chunks()).toBeLessThan(64)
  })

  test.each(['text/plain\u0001', 'text/\nplain', 'text/\u4e2d'])(
    'are no longer read if their headers cannot be sent: %j',
    async (contentType) => {
      for (const touched of [false, true]) {
        const representation = { contentType }
        const served = appWith(bytes, { representation, touched })
        expect((await download(await listen(served.app))).status).toBe(500)
        await served.ended
      }
    },
  )

  test('are cut when the client reads nothing for the idle limit', async () => {
    const large = Buffer.alloc(64 * MiB)
    const served = appWith(large, { chunkBytes: MiB, idleMs: 150 })
    const port = await listen(served.app)
    const socket = net.connect(port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.pause()
    await served.ended
    expect(served.chunks()).toBeLessThan(64)
    socket.resume()
    let received = 0
    socket.on('data', (chunk) => {
      received += chunk.length
    })
    await once(socket, 'close')
    expect(received).toBeLessThan(large.length)
  })

  test('leave the connection usable for the next request', async () => {
    const port = await listen(appWith(bytes, { idleMs: 5000 }).app)
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<number | undefined>()
    for (let turn = 0; turn < 3; turn++) {
      const request = http.get({ port, host: '127.0.0.1', agent })
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      ports.add(response.socket.localPort)
      response.resume()
      await once(response, 'end')
    }
    agent.destroy()
    expect(ports.size).toBe(1)
  })

  test('are read no faster than the client reads them', async () => {
    const served = appWith(Buffer.alloc(64 * MiB), { chunkBytes: MiB })
    const port = await listen(served.app)
    const request = http.get({ port, host: '127.0.0.1', agent: false })
    request.on('error', () => undefined)
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    let received = 0
    for await (const chunk of response) {
      received += (chunk as Buffer).length
      // Kernel buffers of both sides hold some chunks; the process may hold two more.
      expect(served.chunks() * MiB - received).toBeLessThan(16 * MiB)
    }
    expect(received).toBe(64 * MiB)
  })
})

test('without a server, a failure part-way is an error of the body', async () => {
  const response = await appWith(randomBytes(MiB), { failAt: 500_000 }).app.request('/')
  await expect(response.arrayBuffer()).rejects.toThrow('damaged')
  const stock = await appWith(randomBytes(MiB), { failAt: 500_000, mode: 'stock-zip' }).app.request(
    '/',
  )
  expect(
    Buffer.from(await stock.arrayBuffer())
      .subarray(-4096)
      .every((byte) => byte === 0xff),
  ).toBe(true)
})
