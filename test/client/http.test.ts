/** The client against servers that each misbehave in one way. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { createServer as createSilentServer } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { removeArtifact } from '../../src/client/artifacts.ts'
import { createClient } from '../../src/client/client.ts'
import { exchange } from '../../src/client/transport/answer.ts'
import { requestBytes, requestJson, type ServerAccess } from '../../src/client/transport/http.ts'
import { NetworkError } from '../../src/client/transport/network-error.ts'
import { readEntries } from '../../src/client/read-entries.ts'
import { readArchive } from '../../src/client/whole-artifact.ts'
import { readFile } from '../../src/client/read-file.ts'
import { readResumed } from '../../src/client/transport/resumed-body.ts'
import { readClientConfig } from '../../src/config/config.ts'
import { digestOf, formatWireDigest } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { listen } from './listen.ts'
import { storeCertificate, storeKey } from './store-certificate.ts'

type Handler = (request: IncomingMessage, response: ServerResponse, attempt: number) => void

/** A server that handles each request with `handler`, which gets the number of the request, from
 *  1. */
async function serve(handler: Handler): Promise<ServerAccess & { requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    handler(request, response, requests.length)
  })
  return { url: await listen(server), token: 'secret', requests }
}

function problem(response: ServerResponse, status: number, code: string, more: object = {}): void {
  const body = {
    type: 'about:blank',
    title: 'T',
    status,
    detail: `it is ${code}`,
    code,
    retryable: false,
    ...more,
  }
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify(body))
}

const fields = ['fine'] as const
const never = new AbortController().signal

describe('a request', () => {
  test('carries the token, if there is one, and the defined query parameters', async () => {
    const server = await serve((_, response) => response.end('{"fine":true}'))
    const request = { path: '/x', query: { a: 1, b: undefined, c: null, d: 'ä&' } }
    expect(await requestJson(server, request, fields)).toEqual({ fine: true })
    expect(server.requests[0]?.url).toBe('/x?a=1&d=%C3%A4%26')
    expect(server.requests[0]?.headers.authorization).toBe('Bearer secret')
    await requestJson(createClient({ url: server.url }).server, request, fields)
    expect(server.requests[1]?.headers).not.toHaveProperty('authorization')
    await requestJson(server, { path: '//other.example/x' }, fields)
    expect(server.requests[2]?.url).toBe('//other.example/x')
  })

  test('fails when the server is silent for longer than the timeout', async () => {
    const { url } = await serve(() => undefined)
    const config = readClientConfig({ url }, { TROVE_IDLE_TIMEOUT: '1s' })
    const asking = requestJson(createClient(config).server, { method: 'POST', path: '/x' }, fields)
    await expect(asking).rejects.toThrow('no data received for 1 s')
  })

  test('is retried when the server is busy or the connection breaks', async () => {
    const server = await serve((request, response, attempt) => {
      if (attempt === 1) problem(response, 503, 'busy')
      else if (attempt === 2) request.socket.destroy()
      else response.end('{"fine":true}')
    })
    expect(await requestJson(server, { path: '/' }, fields)).toEqual({ fine: true })
    expect(server.requests).toHaveLength(3)
  })

  test('is retried when its response breaks off', async () => {
    const server = await serve((_, response, attempt) => {
      if (attempt > 1) response.end('{"fine":true}')
      else response.write('{"fine', () => response.destroy())
    })
    expect(await requestJson(server, { path: '/' }, fields)).toEqual({ fine: true })
    expect(server.requests).toHaveLength(2)
  })

  test('that deletes succeeds on retry after its first response was lost', async () => {
    const server = await serve((request, response, attempt) => {
      if (attempt === 1) request.socket.destroy()
      else problem(response, 410, 'artifact_deleted', { artifactId: 7 })
    })
    await removeArtifact(server, 7)
    expect(server.requests.map(({ method }) => method)).toEqual(['DELETE', 'DELETE'])
  })

  test('is not retried when it is not idempotent', async () => {
    const server = await serve((_, response, attempt) => {
      if (attempt === 1) problem(response, 503, 'busy', { what: 'pack storage' })
      else response.write('{"fine', () => response.destroy())
    })
    const request = { method: 'POST' as const, path: '/', json: {} }
    await expect(requestJson(server, request, fields)).rejects.toMatchObject({ code: 'busy' })
    expect(server.requests).toHaveLength(1)
    await expect(requestJson(server, request, fields)).rejects.toBeInstanceOf(NetworkError)
    expect(server.requests).toHaveLength(2)
  })

  test('that keeps failing throws the last error', async () => {
    const server = await serve((request) => request.socket.destroy())
    await expect(requestJson(server, { path: '/' }, fields)).rejects.toBeInstanceOf(NetworkError)
    expect(server.requests).toHaveLength(4)
  })

  test('stops when aborted, also between attempts', async () => {
    const stop = new AbortController()
    const server = await serve((_, response) => {
      problem(response, 503, 'busy')
      stop.abort()
    })
    await expect(
      requestJson(server, { path: '/', signal: stop.signal }, fields),
    ).rejects.toMatchObject({ name: 'AbortError' })
    expect(server.requests).toHaveLength(1)
  })

  test("that is rejected throws the server's error with its details", async () => {
    const server = await serve((_, response) => {
      problem(response, 410, 'artifact_expired', { artifactId: 7 })
    })
    await expect(requestJson(server, { path: '/' }, fields)).rejects.toMatchObject({
      name: 'StoreError',
      code: 'artifact_expired',
      message: 'it is artifact_expired',
      details: { artifactId: 7 },
    })
    expect(server.requests).toHaveLength(1)
  })

  test.each([
    ['{"fin":true}', 'missing field "fine"'],
    ['<html>', 'not a JSON object'],
    ['null', 'not a JSON object'],
  ])(
    'with the response %s fails with an error that names the server and the problem',
    async (body, reason) => {
      const server = await serve((_, response) => response.end(body))
      await expect(requestJson(server, { path: '/' }, fields)).rejects.toThrow(
        `${server.url} sent a response that this version cannot read: ${reason}`,
      )
    },
  )

  test('with a sign-in page for a response fails, unless it reads a file', async () => {
    const server = await serve((_, response) =>
      response
        .writeHead(200, { 'content-type': 'text/html; charset=utf-8', etag: '"v1"' })
        .end('<html>'),
    )
    const wanted = { artifactId: 1, format: 'zip', paths: [] } as const
    const told = `${server.url} sent a response that this version cannot read: a web page`
    await expect(requestBytes(server, { path: '/' })).rejects.toThrow(told)
    await expect(buffer(readArchive(server, wanted, never))).rejects.toThrow(told)
    const file = { artifactId: 1, path: 'a.html', digest: formatWireDigest(digestOf('<html>')) }
    expect(String(await buffer(readFile(server, file, never)))).toBe('<html>')
  })

  test('over TLS to a server without it says so', async () => {
    const { url } = await serve((_, response) => response.end())
    const server = { url: url.replace('http:', 'https:'), token: null }
    const reading = requestJson(server, { path: '/', repeatable: false }, fields)
    await expect(reading).rejects.toThrow(
      `${server.url} cannot be reached: what listens there does not speak TLS`,
    )
  })

  test('without TLS to a server with it says so, whether the server hangs up or responds', async () => {
    const url = await listen(createSecureServer({ key: storeKey, cert: storeCertificate }))
    const reading = requestJson({ url, token: null }, { path: '/', repeatable: false }, fields)
    await expect(reading).rejects.toThrow(`${url} cannot be reached: what listens there speaks TLS`)
    const texts = [
      '<center>The plain HTTP request was sent to HTTPS port</center>',
      'Client sent an HTTP request to an HTTPS server.\n',
      "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
    ]
    const server = await serve((_, response, n) => response.writeHead(400).end(texts[n - 1]))
    const told = `${server.url} responded 400: what listens there speaks TLS`
    for (const _ of texts)
      await expect(requestJson(server, { path: '/' }, fields)).rejects.toThrow(told)
  })

  test('does not follow a redirect, which would pass on the token', async () => {
    const server = await serve((_, response) =>
      response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    )
    await expect(requestJson(server, { path: '/' }, fields)).rejects.toThrow(/cannot be reached/)
  })

  test.each([
    [401, { code: 'unauthenticated' }],
    [403, { code: 'forbidden' }],
    [404, { name: 'AnswerError' }],
    [429, { name: 'NetworkError' }],
    [500, { name: 'NetworkError' }],
  ])(
    'an error response that is not from Trove, %d, is classified by its status',
    async (status, wanted) => {
      const server = await serve((_, response) =>
        response.writeHead(status).end('<html>proxy</html>'),
      )
      const request = { method: 'POST', path: '/' } as const
      await expect(requestJson(server, request, fields)).rejects.toMatchObject(wanted)
    },
  )
})

describe('a body', () => {
  const send = async (
    server: ServerAccess,
    body: () => AsyncIterable<Uint8Array>,
  ): Promise<unknown> => await requestJson(server, { method: 'POST', path: '/', body }, fields)

  test('is not sent further when the response comes first', async () => {
    const server = await serve((request, response) => {
      request.once('data', () => problem(response, 413, 'too_large'))
    })
    let sent = 0
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        sent += 1
        yield Buffer.alloc(64 * 1024)
        await new Promise(setImmediate)
      }
    }
    await expect(send(server, endless)).rejects.toMatchObject({ code: 'too_large' })
    const soon = sent
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
    expect(sent).toBeLessThanOrEqual(soon + 1)
  })

  test('that fails ends the request with its own error', async () => {
    const server = await serve((request) => request.resume())
    // oxlint-disable-next-line require-yield -- it fails before it yields anything.
    async function* failing(): AsyncGenerator<Uint8Array> {
      throw new RangeError('the file is gone')
    }
    await expect(send(server, failing)).rejects.toThrow(RangeError)
  })

  test('is pulled only as fast as the server reads it', async () => {
    const server = await serve((request, response) => {
      setTimeout(() => {
        request.resume().once('end', () => response.end('{"fine":true}'))
      }, 200)
    })
    let ahead = 0
    async function* large(): AsyncGenerator<Uint8Array> {
      const begun = performance.now()
      for (let count = 0; count < 64; count++) {
        if (performance.now() < begun + 150) ahead += 1
        yield Buffer.alloc(1024 * 1024)
      }
    }
    expect(await send(server, large)).toEqual({ fine: true })
    // No more than the socket buffers of both sides hold.
    expect(ahead).toBeLessThan(32)
  })
})

describe('a response', () => {
  const get = async (server: ServerAccess): Promise<Buffer> =>
    await requestBytes(server, { path: '/', headers: { 'accept-encoding': 'gzip' } })

  test('that is gzipped is inflated', async () => {
    const server = await serve((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('told')),
    )
    expect((await get(server)).toString()).toBe('told')
  })

  test('that never ends, or is inflated to something that large, is rejected', async () => {
    const bomb = gzipSync(Buffer.alloc(limits.answerBytesMax + 1))
    const server = await serve((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    )
    await expect(get(server)).rejects.toMatchObject({ name: 'AnswerError' })
    const failing = await serve((_, response) =>
      response.writeHead(400, { 'content-encoding': 'gzip' }).end(bomb),
    )
    await expect(get(failing)).rejects.toMatchObject({ name: 'AnswerError' })
    expect([server.requests.length, failing.requests.length]).toEqual([1, 1])
  })

  test('that breaks off is requested again, a bounded number of times', async () => {
    const server = await serve((_, response, attempt) => {
      response.writeHead(200, { 'content-length': 10 })
      response.write('12345', () => {
        if (attempt === 1) response.destroy()
        else response.end('67890')
      })
    })
    expect((await get(server)).toString()).toBe('1234567890')
    const cut = await serve((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).write('no gzip', () => {
        response.destroy()
      })
    })
    await expect(get(cut)).rejects.toMatchObject({
      name: 'NetworkError',
      message: expect.stringMatching(/ broke off: (?:aborted|incorrect header check)$/),
    })
    expect(cut.requests).toHaveLength(4)
  })

  test('times out while connecting, including the handshake', async () => {
    const silent = await listen(createSilentServer((socket) => socket.resume()))
    const url = new URL(silent.replace('http:', 'https:'))
    const asked = { url, method: 'GET', headers: {}, body: undefined, signal: undefined }
    await expect(exchange(asked, 50)).rejects.toThrow(
      `${url.origin} cannot be reached: no connection within 0.05 s`,
    )
    const slow = await serve((_, response) => setTimeout(() => response.end('x'), 100))
    const answer = await exchange({ ...asked, url: new URL(slow.url) }, 50)
    expect((await answer.bytes()).toString()).toBe('x')
  })

  test('from an unreachable server fails with an error that names it', async () => {
    const gone = { url: 'http://127.0.0.1:1', token: null }
    await expect(requestBytes(gone, { method: 'POST', path: '/' })).rejects.toThrow(
      /^http:\/\/127\.0\.0\.1:1 cannot be reached: connect ECONNREFUSED/,
    )
  })
})

describe('a file', () => {
  const content = Buffer.from('0123456789'.repeat(10_000))
  const file = { artifactId: 1, path: 'a b', digest: formatWireDigest(digestOf(content)) }

  /** Sends `content` from the requested range, but only `lengths[n]` bytes for the n-th request. */
  const cutting =
    (lengths: number[]): Handler =>
    (request, response, attempt) => {
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
      const isPart = request.headers.range !== undefined && request.headers['if-range'] === '"v1"'
      const rest = content.subarray(start)
      response.writeHead(isPart ? 206 : 200, { etag: '"v1"', 'content-length': rest.length })
      response.write(rest.subarray(0, lengths[attempt - 1] ?? rest.length), () => {
        if (lengths[attempt - 1] === undefined) response.end()
        else response.destroy()
      })
    }

  test('whose transfer breaks is resumed where it broke', async () => {
    const server = await serve(cutting([30_000, 25_000]))
    expect((await buffer(readFile(server, file, never))).equals(content)).toBe(true)
    expect(server.requests).toHaveLength(3)
    expect(server.requests[0]?.url).toBe('/api/v1/artifacts/1/files/a%20b')
  })

  test('is resumed after the server was away for longer than the retries of a request', async () => {
    const cut = cutting([30_000])
    const server = await serve((request, response, attempt) => {
      if (attempt === 1 || attempt > 5) cut(request, response, attempt)
      else response.writeHead(503).end()
    })
    expect((await buffer(readFile(server, file, never))).equals(content)).toBe(true)
    expect(server.requests).toHaveLength(6)
  })

  test('is complete when the connection breaks after its last byte but before the end of the body', async () => {
    const server = await serve((request, response) => {
      if (request.headers.range !== 'bytes=0-') {
        expect(request.headers).toMatchObject({ range: 'bytes=100000-', 'if-range': '"v1"' })
        problem(response, 416, 'range_not_satisfiable', { totalBytes: content.length })
        return
      }
      response.writeHead(200, { etag: '"v1"', 'transfer-encoding': 'chunked' })
      response.write(content, () => response.destroy())
    })
    expect((await buffer(readFile(server, file, never))).equals(content)).toBe(true)
    expect(server.requests).toHaveLength(2)
  })

  const readWithoutPauses = async (server: ServerAccess): Promise<Buffer> => {
    const request = { path: '/file', label: 'the file' }
    return await buffer(readResumed(server, request, never, async () => {}))
  }

  test('that makes no progress fails', async () => {
    const server = await serve(cutting([1000, 0, 0, 0, 0, 0, 0]))
    await expect(readWithoutPauses(server)).rejects.toThrow(
      `the file broke off after 1000 bytes: the response of ${server.url} broke off: `,
    )
    expect(server.requests).toHaveLength(6)
  })

  /** Passes on `content`, but only `lengths[n]` bytes for the n-th request, as if that were all. */
  const shortening =
    (lengths: number[]): Handler =>
    (request, response, attempt) => {
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1])
      const rest = content.subarray(start, start + (lengths[attempt - 1] ?? Infinity))
      const range = `bytes ${start}-${content.length - 1}/${content.length}`
      const length = rest.length
      response.writeHead(206, { etag: '"v1"', 'content-length': length, 'content-range': range })
      response.end(rest)
    }

  test('that ends too early with a matching Content-Length is resumed', async () => {
    const server = await serve(shortening([30_000, 0, 25_000]))
    expect((await readWithoutPauses(server)).equals(content)).toBe(true)
    expect(server.requests).toHaveLength(4)
  })

  test('that keeps ending too early fails', async () => {
    const server = await serve(shortening([30_000, 0, 0, 0, 0, 0, 0]))
    await expect(readWithoutPauses(server)).rejects.toThrow(
      `the file broke off after 30000 bytes: the response of ${server.url} ended too early, of 100000 bytes`,
    )
  })

  test('that ends too early fails even when the response that resumes it names no range', async () => {
    const server = await serve((_, response, attempt) => {
      const range = attempt === 1 && { 'content-range': 'bytes 0-99999/100000' }
      response.writeHead(206, { etag: '"v1"', ...range })
      response.end(content.subarray(0, 10))
    })
    await expect(readWithoutPauses(server)).rejects.toThrow('the file broke off after 60 bytes')
  })

  test('that continues elsewhere than asked is refused', async () => {
    const server = await serve((request, response, attempt) => {
      response.writeHead(206, { etag: '"v1"', 'content-range': 'bytes 0-99999/100000' })
      response.write(content.subarray(0, 10), () => response.destroy())
      expect(request.headers.range).toBe(attempt === 1 ? 'bytes=0-' : 'bytes=10-')
    })
    await expect(buffer(readFile(server, file, never))).rejects.toThrow(
      'cannot read: range bytes 0-99999/100000 instead of one from 10',
    )
  })

  // A cache on the way can ignore If-Range.
  test.each([200, 206])('of another version, with status %i, is not joined', async (status) => {
    const server = await serve((_, response, attempt) => {
      const start = status === 206 && attempt > 1 ? 10 : 0
      const range = `bytes ${start}-${content.length - 1}/${content.length}`
      response.writeHead(status, { etag: `"v${attempt}"`, 'content-range': range })
      response.write(content.subarray(start, start + 10), () => response.destroy())
    })
    await expect(readWithoutPauses(server)).rejects.toThrow('the file changed while it was read')
  })

  test('with other content than announced is a digest mismatch', async () => {
    const server = await serve((_, response) =>
      response.writeHead(200, { etag: '"v1"' }).end('other'),
    )
    await expect(buffer(readFile(server, file, never))).rejects.toMatchObject({
      code: 'digest_mismatch',
    })
  })
})

describe('entries', () => {
  const entry = { kind: 'directory', path: 'd', mode: '0755', modifiedAt: null }
  const read = async (server: ServerAccess): Promise<string[]> => {
    const paths: string[] = []
    for await (const { path } of readEntries(server, 1, { under: '', signal: never }))
      paths.push(path)
    return paths
  }

  test('are parsed however the lines are split', async () => {
    const text = `${JSON.stringify(entry)}\n${JSON.stringify({ ...entry, path: 'ä' })}\n`
    const server = await serve((_, response) => {
      for (const byte of Buffer.from(text)) response.write(Buffer.of(byte))
      response.end()
    })
    expect(await read(server)).toEqual(['d', 'ä'])
  })

  test.each([
    ['within a line', `${JSON.stringify(entry)}\n{"kind"`, false],
    ['without an end', `${JSON.stringify(entry)}\n`, true],
  ])('that break off %s are a failure, not a shorter listing', async (_, text, isCut) => {
    const server = await serve((_request, response) => {
      response.write(text, () => {
        if (isCut) response.destroy()
        else response.end()
      })
    })
    await expect(read(server)).rejects.toBeInstanceOf(NetworkError)
  })
})
