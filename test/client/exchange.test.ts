/** What an exchange does to its connection. */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, onTestFinished, test } from 'vitest'
import { connectEarly } from '../../src/client/transport/agents.ts'
import { type Answer, exchange } from '../../src/client/transport/answer.ts'
import { readBody } from '../../src/client/transport/body-reader.ts'
import { requestBytes } from '../../src/client/transport/http.ts'
import { listen } from './listen.ts'

/** Returns the URL of a server and the number of its open and former connections. */
async function serve(
  handler: RequestListener,
): Promise<{ url: string; open(): number; all(): number }> {
  const server = createServer(handler)
  let open = 0
  let all = 0
  server.on('connection', (socket) => {
    open += 1
    all += 1
    socket.on('close', () => (open -= 1))
  })
  return { url: await listen(server), open: () => open, all: () => all }
}

async function ask(
  url: string,
  {
    body,
    connectMs,
    idleMs,
  }: { body?: AsyncIterable<Uint8Array>; connectMs?: number; idleMs?: number },
): Promise<Answer> {
  const asked = { url: new URL(url), method: 'POST', headers: {}, body, signal: undefined, idleMs }
  return await exchange(asked, connectMs)
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield await Promise.resolve(Buffer.alloc(64 * 1024))
}

test('a response may take longer than opening a connection, also on one that is open already', async () => {
  const { url, all } = await serve((request, response) => {
    request.resume()
    setTimeout(() => response.end('x'), 100)
  })
  connectEarly({ url })
  await expect.poll(all).toBe(1)
  // Until this side has noticed as well.
  await sleep(20)
  for (let count = 0; count < 3; count++)
    expect(String(await (await ask(url, { connectMs: 50 })).bytes())).toBe('x')
  expect(all()).toBe(1)
})

test('requests one after the other share a connection, those that are retried included', async () => {
  const warnings: Error[] = []
  const note = (warning: Error): void => void warnings.push(warning)
  process.on('warning', note)
  onTestFinished(() => void process.off('warning', note))
  let count = 0
  const { url, all } = await serve((request, response) => {
    request.resume()
    count += 1
    response.writeHead(count % 2 === 0 ? 200 : 503, { 'retry-after': '0.001' }).end('x')
  })
  for (let left = 12; left > 0; left--)
    expect(String(await requestBytes({ url, token: null }, { path: '/' }))).toBe('x')
  expect([count, all()]).toEqual([24, 1])
  expect(warnings).toEqual([])
})

test('the end of a call leaves the connection of a response that was received in full', async () => {
  const { url, all } = await serve((_request, response) => response.end('x'))
  const asked = { url: new URL(url), method: 'GET', headers: {}, body: undefined }
  for (let left = 3; left > 0; left--) {
    const call = new AbortController()
    const answer = await exchange({ ...asked, signal: call.signal })
    expect(String(await readBody({ url }, answer, async (body) => await body.take(1)))).toBe('x')
    call.abort()
    // Node's errors of a connection come in the next turn.
    await sleep(1)
  }
  expect(all()).toBe(1)
})

test('a body that fails closes its connection', async () => {
  const { url, open, all } = await serve((request) => request.resume())
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('x')
    await expect.poll(all).toBe(1)
    throw new RangeError('the file is gone')
  }
  await expect(ask(url, { body: failing() })).rejects.toThrow(RangeError)
  await expect.poll(open).toBe(0)
})

test.each([200, 413])(
  'a response %i that comes before the end of the body closes the connection',
  async (status) => {
    const { url, open } = await serve((_, response) => response.writeHead(status).end('enough'))
    expect(String(await (await ask(url, { body: endless() })).bytes())).toBe('enough')
    await expect.poll(open).toBe(0)
    const discarded = await ask(url, { body: endless() })
    discarded.discard()
    await expect.poll(open).toBe(0)
  },
)

test('a response of which not all is read closes the connection', async () => {
  const { url, open } = await serve((request, response) => {
    request.resume()
    response.write('x')
  })
  for await (const _ of (await ask(url, {})).chunks()) break
  await expect.poll(open).toBe(0)
})

// A proxy on the way can begin its response to keep the connection alive.
test('a response whose head comes first does not cut the body off', async () => {
  const { url } = await serve((request: IncomingMessage, response) => {
    response.flushHeaders()
    let bytes = 0
    request.on('data', (chunk: Buffer) => (bytes += chunk.length))
    request.on('end', () => response.end(String(bytes)))
  })
  async function* body(): AsyncGenerator<Uint8Array> {
    for (let count = 0; count < 5; count++) {
      await sleep(20)
      yield Buffer.alloc(10)
    }
  }
  const answer = await ask(url, { body: body(), idleMs: 3000 })
  expect(String(await answer.bytes())).toBe('50')
})

/** Returns a function that collects garbage and then measures the heap. */
function createHeapMeter(): () => number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  return () => {
    collect()
    return process.memoryUsage().heapUsed
  }
}

test('a body takes no more memory the longer it is', async () => {
  const { url } = await serve((request, response) => {
    request.resume().once('end', () => response.end('x'))
  })
  const heapBytes = createHeapMeter()
  const seen: number[] = []
  const piece = Buffer.alloc(64 * 1024)
  async function* long(): AsyncGenerator<Uint8Array> {
    for (let count = 0; count <= 5000; count++) {
      if (count % 2500 === 0) seen.push(heapBytes())
      yield await Promise.resolve(piece)
    }
  }
  expect(String(await (await ask(url, { body: long() })).bytes())).toBe('x')
  // With something kept of each piece it was 0.9 MB.
  expect(seen[2]! - seen[1]!).toBeLessThan(256 * 1024)
})
