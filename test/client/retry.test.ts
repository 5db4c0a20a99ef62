/** When a transfer of many requests is retried. */
import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { hasCode } from '../../src/core/errors.ts'
import { openAnswer } from '../../src/client/transport/http.ts'
import { NetworkError } from '../../src/client/transport/network-error.ts'
import { retryAfterMs, untilThrough } from '../../src/client/transport/retry.ts'
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
