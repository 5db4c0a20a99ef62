/** A transfer that breaks continues where it broke, or fails: it never joins what does not belong
 *  together, nor ends short. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { lengthHeader } from '../../src/api/completeness.ts'
import { readResumed } from '../../src/client/transport/resumed-body.ts'
import { listen } from './listen.ts'

const content = Buffer.from('0123456789')
const etag = '"v1"'

type Answer = (response: ServerResponse, start: number) => void

/** Reads from a server that answers the requests in turn, the last answer repeatedly. */
async function read(
  answers: Answer[],
  { stopAt = Infinity }: { stopAt?: number } = {},
): Promise<{ bytes: Buffer; asked: IncomingMessage['headers'][]; pauses: number }> {
  const asked: IncomingMessage['headers'][] = []
  const server = createServer((request, response) => {
    asked.push(request.headers)
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1])
    answers[Math.min(asked.length, answers.length) - 1]!(response, start)
  })
  const access = { url: await listen(server), token: null }
  const stop = new AbortController()
  let pauses = 0
  const body = readResumed(access, { path: '/file', label: 'the file' }, stop.signal, async () => {
    pauses += 1
    if (pauses === stopAt) stop.abort(new Error('enough'))
  })
  return { bytes: await buffer(body), asked, pauses }
}

/** Sends what was asked for up to `end`, and breaks off there if that is not all. */
const upTo =
  (end: number, whole = content): Answer =>
  (response, start) => {
    const range = `bytes ${start}-${whole.length - 1}/${whole.length}`
    response.writeHead(206, {
      etag,
      'content-range': range,
      'content-length': whole.length - start,
    })
    response.write(whole.subarray(start, end), () => {
      if (end >= whole.length) response.end()
      else response.destroy()
    })
  }

test('each further request names the place and the version, and follows a pause', async () => {
  const { bytes, asked, pauses } = await read([upTo(3), upTo(3), upTo(7), upTo(10)])
  expect(bytes).toEqual(content)
  expect(asked.map((each) => [each.range, each['if-range']])).toEqual([
    ['bytes=0-', undefined],
    ['bytes=3-', etag],
    ['bytes=3-', etag],
    ['bytes=7-', etag],
  ])
  expect(pauses).toBe(3)
})

test('the same version again from its start is not joined to what is there', async () => {
  const whole: Answer = (response) => response.writeHead(200, { etag }).end(content)
  await expect(read([upTo(3), whole])).rejects.toThrow(
    /^the file broke off after 3 bytes, and something on the way does not pass ranges on$/,
  )
})

test.each([
  ['before', 2],
  ['just after', 3],
])('a version that ends %s what is there does not count as the end', async (_, totalBytes) => {
  const shorter: Answer = (response) => {
    response.writeHead(416, { 'content-type': 'application/problem+json' }).end(
      JSON.stringify({
        type: 'about:blank',
        title: 'T',
        status: 416,
        detail: 'it is shorter',
        code: 'range_not_satisfiable',
        retryable: false,
        totalBytes,
      }),
    )
  }
  await expect(read([upTo(3), shorter])).rejects.toMatchObject({ code: 'range_not_satisfiable' })
})

test.each([200, 206])('a body is as long as a header of status %i says', async (status) => {
  const sending =
    (sent: Buffer): Answer =>
    (response, start) => {
      // What has no range begins at the start.
      const range = status === 206 && { 'content-range': `bytes ${start}-9/10` }
      const rest = status === 206 ? sent.subarray(start) : sent
      response.writeHead(status, { etag, [lengthHeader]: '10', ...range }).end(rest)
    }
  expect((await read([sending(content)])).bytes).toEqual(content)
  await expect(read([sending(Buffer.concat([content, content]))])).rejects.toThrow(
    '20 bytes instead of 10',
  )
  const short = read([sending(content.subarray(0, 4))])
  await expect(short).rejects.toThrow(status === 206 ? 'ended too early' : 'does not pass ranges')
})

test('a body whose length nothing says is taken as it is', async () => {
  const { bytes } = await read([(response) => response.writeHead(200, { etag }).end(content)])
  expect(bytes).toEqual(content)
})

test('content without a version is refused, since it could not be continued', async () => {
  const nameless: Answer = (response) => response.writeHead(200).end(content)
  await expect(read([nameless])).rejects.toThrow('content without an ETag')
})

test('a transfer that progresses goes on, however often it breaks', async () => {
  const large = Buffer.alloc(3_000_000, content)
  const pieces = Array.from({ length: 10 }, (_, index) => upTo((index + 1) * 300_000, large))
  const { bytes, pauses } = await read(pieces)
  expect(bytes.equals(large)).toBe(true)
  expect(pauses).toBe(9)
})

test('an aborted transfer fails with the reason of the signal', async () => {
  await expect(read([upTo(3)], { stopAt: 2 })).rejects.toThrow('enough')
})
