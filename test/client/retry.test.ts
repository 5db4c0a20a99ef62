/** When a transfer of many requests is retried. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { removeArtifacts } from '../../src/client/artifacts.ts'
import { hasCode } from '../../src/core/errors.ts'
import { openAnswer } from '../../src/client/transport/http.ts'
import { NetworkError } from '../../src/client/transport/network-error.ts'
import { createPatience } from '../../src/client/transport/patience.ts'
import { createAttempts, retryAfterMs, untilThrough } from '../../src/client/transport/retry.ts'
import { listen } from './listen.ts'

test.each([
  [null, 0],
  ['2', 2000],
  ['3600', 30_000],
  ['-1', 0],
  ['Mon, 30 Nov 2026 11:09:01 GMT', 0],
])('Retry-After: %s asks for %i ms', (header, wanted) => {
  expect(retryAfterMs(header)).toBe(wanted)
})

// A request that is not repeatable by itself, as those to `/packs` are not.
test.each([
  ['a proxy', 'text/plain', 'slow down'],
  [
    'the server',
    'application/problem+json',
    JSON.stringify({ status: 503, code: 'busy', detail: 'busy', retryable: true }),
  ],
])('a transfer waits as long as %s asks for', async (_, type, body) => {
  const times: number[] = []
  const server = createServer((request, response) => {
    request.resume()
    times.push(performance.now())
    if (times.length > 1) response.end('{}')
    else response.writeHead(503, { 'retry-after': '1', 'content-type': type }).end(body)
  })
  const url = await listen(server)
  const { signal } = new AbortController()
  const request = { method: 'POST', path: '/packs', body: Buffer.from('x'), signal } as const
  const answer = await untilThrough(async () => await openAnswer({ url, token: null }, request), {
    isPassing: (error) => error instanceof NetworkError || hasCode(error, 'busy'),
    onRetry: () => {},
    signal,
  })
  answer.discard()
  // By itself the first pause is at most 375 ms.
  expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(990)
})

test.each([
  ['starting', 'busy', { what: 'server' }],
  ['stopping', 'shutting_down', {}],
])('what is not repeatable is repeated while the server is %s', async (_, code, details) => {
  let requests = 0
  const server = createServer((_request, response) => {
    requests += 1
    if (requests > 2) response.end('{}')
    else response.writeHead(503).end(JSON.stringify({ code, detail: code, ...details }))
  })
  const access = { url: await listen(server), token: null }
  const request = { method: 'POST', path: '/', json: {} } as const
  ;(await openAnswer(access, request)).discard()
  expect(requests).toBe(3)
  requests = 0
  const once = openAnswer(access, { ...request, repeatable: false })
  await expect(once).rejects.toMatchObject({ code })
  expect(requests).toBe(1)
})

test('what is not repeatable is repeated while nothing listens', async () => {
  const server = createServer((_, response) => response.end('{}'))
  const url = await listen(server)
  const { port } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  setTimeout(() => server.listen(port, '127.0.0.1'), 100)
  const patience = createPatience(10_000)
  const request = { method: 'POST', path: '/', json: {} } as const
  const answer = await openAnswer({ url, token: null, patience }, request)
  expect(answer.status).toBe(200)
  answer.discard()
})

// RFC 6761: no name below `.invalid` ever has an address.
test('what is not repeatable is repeated while the name of the server has no address', async () => {
  let isAsked = false
  const lasts = (): boolean => !(isAsked = true)
  const patience = { ...createPatience(0), lasts }
  const request = { method: 'POST', path: '/', json: {} } as const
  await expect(
    openAnswer({ url: 'http://trove.invalid', token: null, patience }, request),
  ).rejects.toThrow('getaddrinfo')
  expect(isAsked).toBe(true)
})

test('a transfer fails after six attempts, but not before its time to retry is over', async () => {
  let attempts = 0
  let asked = 0
  const { signal } = new AbortController()
  const sendWithin = async (retryMs: number): Promise<void> =>
    await untilThrough(
      async () => {
        attempts += 1
        if (attempts % 20 !== 0) throw await Promise.resolve(new NetworkError('busy'))
      },
      { isPassing: () => true, retryMs: () => retryMs * ++asked, signal },
      async () => {},
    )
  await expect(sendWithin(0)).rejects.toThrow('busy')
  expect(attempts).toBe(6)
  // At the first failure, or a transfer would never end.
  expect(asked).toBe(1)
  await sendWithin(60_000)
  expect(attempts).toBe(20)
})

test('only new bytes that got through make a failure the first again', async () => {
  const kib = 1024
  const signal = undefined
  /** Attempts of a transfer that finds so many bytes present in each. */
  const attemptsWith = async (heldIn: (attempt: number) => number): Promise<number> => {
    let attempts = 0
    const failing = untilThrough(
      async (onHeld) => {
        attempts += 1
        // In two pieces.
        onHeld(heldIn(attempts) / 2)
        onHeld(heldIn(attempts) / 2)
        throw await Promise.resolve(new NetworkError('refused'))
      },
      { isPassing: () => attempts < 20, signal },
      async () => {},
    )
    await expect(failing).rejects.toThrow('refused')
    return attempts
  }
  expect(await attemptsWith((attempt) => attempt * 256 * kib)).toBe(20)
  expect(await attemptsWith((attempt) => attempt * 256 * kib - 2)).toBe(20)
  expect(await attemptsWith(() => 256 * kib)).toBe(6)
  expect(await attemptsWith(() => 256 * kib - 2)).toBe(6)
  // Once in three attempts.
  expect(await attemptsWith((attempt) => attempt * 100 * kib)).toBe(20)
  expect(await attemptsWith((attempt) => attempt * 10 * kib)).toBe(6)
})

test('pauses double up to five seconds, give or take a quarter', async () => {
  const pauses: number[] = []
  const attempts = createAttempts({ signal: undefined }, async (ms) => void pauses.push(ms))
  for (let failures = 0; failures < 8; failures++) {
    attempts.mayGoOn()
    await attempts.pause(new NetworkError('refused'))
  }
  for (const [index, middle] of [300, 600, 1200, 2400, 4800, 5000, 5000, 5000].entries()) {
    expect(pauses[index]).toBeGreaterThanOrEqual(middle * 0.75)
    expect(pauses[index]).toBeLessThanOrEqual(middle * 1.25)
  }
})

// A request has waited for as long as the client is patient, so the transfer does not wait as long
// once more.
test('a transfer has only what its requests have left of the time to retry', async () => {
  let now = 0
  const patience = createPatience(60_000, undefined, () => now)
  let attempts = 0
  const failing = untilThrough(
    async () => {
      attempts += 1
      while (patience.lasts('refused')) now += 1000
      throw await Promise.resolve(new NetworkError('refused'))
    },
    { isPassing: () => true, retryMs: patience.leftMs, signal: undefined },
    async () => {},
  )
  await expect(failing).rejects.toThrow('refused')
  expect(attempts).toBe(6)
})

test('a pause that is aborted fails with the reason of the signal', async () => {
  const reason = new Error('enough')
  const stop = new AbortController()
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(503, { 'retry-after': '30' }).end()
    setImmediate(() => stop.abort(reason))
  })
  const url = await listen(server)
  const request = { path: '/', method: 'GET', signal: stop.signal } as const
  await expect(openAnswer({ url, token: null }, request)).rejects.toBe(reason)
  const later = new AbortController()
  const failing = untilThrough(async () => await Promise.reject(new NetworkError('refused')), {
    isPassing: () => true,
    onRetry: () => setImmediate(() => later.abort(reason)),
    signal: later.signal,
  })
  await expect(failing).rejects.toBe(reason)
})

test('patience counts from the first failure, however long nothing was asked, and reports an outage now and then', () => {
  let now = 500_000
  const reports: string[] = []
  const patience = createPatience(
    100_000,
    (failure) => reports.push(`${now} ${failure}`),
    () => now,
  )
  for (const after of [0, 10_000, 40_000, 99_999]) {
    now = 1_000_000 + after
    expect(patience.lasts('refused')).toBe(true)
  }
  now = 1_100_000
  expect(patience.lasts('refused')).toBe(false)
  expect(patience.leftMs()).toBe(0)
  patience.heard()
  expect(patience.leftMs()).toBe(100_000)
  now = 9_000_000
  expect(patience.lasts('status 503')).toBe(true)
  expect(reports).toEqual([
    '1000000 refused',
    '1040000 refused',
    '1099999 refused',
    '9000000 status 503',
  ])
  expect(createPatience(0).lasts('refused')).toBe(false)
})

test('a patient client asks until the server responds, an impatient one four times', async () => {
  let failing = 4
  const server = createServer((request, response) => {
    request.resume()
    failing -= 1
    response.writeHead(failing >= 0 ? 503 : 200).end('{"fine":true}')
  })
  const url = await listen(server)
  const request = { path: '/', method: 'GET' } as const
  await expect(openAnswer({ url, token: null }, request)).rejects.toThrow('503')
  failing = 4
  const reports: string[] = []
  const patience = createPatience(60_000, (failure) => reports.push(failure))
  const answer = await openAnswer({ url, token: null, patience }, request)
  expect((await answer.bytes()).toString()).toBe('{"fine":true}')
  expect(reports).toEqual([`${url} responded with status 503`])
})

test('a request waits as long as a response asks for, and otherwise longer each time', async () => {
  const times: number[] = []
  const server = createServer((request, response) => {
    request.resume()
    times.push(performance.now())
    const asked = times.length === 1 && { 'retry-after': '1' }
    response.writeHead(times.length > 2 ? 200 : 503, { ...asked }).end()
  })
  await openAnswer({ url: await listen(server), token: null }, { path: '/' })
  expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(990)
  // Twice a quarter of a second, give or take a quarter of that.
  expect(times[2]! - times[1]!).toBeGreaterThanOrEqual(370)
})

test('an outage ends with the first response, and one without any with the patience', async () => {
  let now = 0
  let failing = 0
  let asked = 0
  const server = createServer((request, response) => {
    request.resume()
    asked += 1
    now += 20_000
    failing -= 1
    response.writeHead(failing >= 0 ? 503 : 200, { 'retry-after': '0.001' }).end()
  })
  const patience = createPatience(60_000, undefined, () => now)
  const access = { url: await listen(server), token: null, patience }
  const request = { path: '/', method: 'GET' } as const
  // Three attempts come before patience is asked for, then four until it is over.
  for (let outages = 0; outages < 3; outages++) {
    failing = 6
    await openAnswer(access, request)
  }
  asked = 0
  failing = 100
  await expect(openAnswer(access, request)).rejects.toThrow('503')
  expect(asked).toBe(7)
})

test('a deletion of several is repeated only as a dry run: it would find nothing to delete', async () => {
  let requests = 0
  const server = createServer((request, response) => {
    requests += 1
    if (requests % 2 === 1) request.socket.destroy()
    else response.end('{"items":[],"freedBytes":0}')
  })
  const access = { url: await listen(server), token: null }
  await expect(removeArtifacts(access, [7], { dryRun: true })).resolves.toHaveProperty('items')
  await expect(removeArtifacts(access, [7], {})).rejects.toBeInstanceOf(NetworkError)
  expect(requests).toBe(3)
})
