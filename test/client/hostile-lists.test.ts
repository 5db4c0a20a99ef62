/** A misbehaving server cannot make a client ask, or hold what it sends, without end. */
import { createServer, type RequestListener } from 'node:http'
import { expect, test } from 'vitest'
import { AnswerError } from '../../src/client/client.ts'
import { readComparison } from '../../src/client/comparison.ts'
import { listItems, withinBound } from '../../src/client/list-items.ts'
import { readEntries } from '../../src/client/read-entries.ts'
import { searchPaths } from '../../src/client/search.ts'
import { readResumed } from '../../src/client/transport/resumed-body.ts'
import { listen } from './listen.ts'

const { signal } = new AbortController()

/** Reads what `read` yields of a server; returns the error that ends it, and how many came. */
async function readAll(
  answer: RequestListener,
  read: (server: { url: string; token: null }) => AsyncIterable<unknown>,
): Promise<{ error: unknown; count: number }> {
  const url = await listen(createServer(answer))
  let count = 0
  try {
    for await (const _ of read({ url, token: null })) if (++count === 200_000) break
    return { error: undefined, count }
  } catch (error) {
    return { error, count }
  }
}

/** Answers each request with a page of `length` items, and a cursor that `next` makes. */
function paged(length: number, next: (page: number) => string | null): RequestListener {
  const items = Array.from({ length }, (_, index) => ({ id: index }))
  let page = 0
  return (_, response) => response.end(JSON.stringify({ items, nextCursor: next(page++) }))
}

/** Writes again and again until the client hangs up. */
function endless(first: string | null, then: string, headers = {}): RequestListener {
  return (_, response) => {
    response.writeHead(200, headers)
    if (first !== null) response.write(first)
    const go = (): void => {
      if (response.destroyed) return
      response.write(then, () => setImmediate(go))
    }
    go()
  }
}

test.each([
  ['that is followed by itself', paged(1, () => 'x'), 'followed by itself', 1],
  ['with more items than asked for', paged(201, () => null), '201 items instead of at most 200', 0],
])('a page %s ends a list', async (_, answer, message, listed) => {
  const { error, count } = await readAll(answer, (server) =>
    listItems(server, { path: '/api/v1/artifacts', signal }),
  )
  expect(error).toBeInstanceOf(AnswerError)
  expect(String(error)).toContain(message)
  expect(count).toBe(listed)
})

test('a page that is followed by itself ends a search', async () => {
  const { error } = await readAll(
    (_, response) => response.end('{"nextCursor":"x"}\n'),
    (server) => searchPaths(server, { globs: ['a'], signal }),
  )
  expect(error).toBeInstanceOf(AnswerError)
  expect(String(error)).toContain('followed by itself')
})

test('a list that never ends is not held as a whole', async () => {
  const { error, count } = await readAll(
    paged(200, (page) => String(page)),
    (server) => withinBound(server, listItems(server, { path: '/api/v1/tokens', signal })),
  )
  expect(error).toBeInstanceOf(AnswerError)
  expect(String(error)).toContain('a list of more than 100,000 items')
  expect(count).toBe(100_000)
})

const difference = `${JSON.stringify({ kind: 'added', path: 'a' })}\n`

test.each([
  [3, 'more than the 3 announced differences'],
  [100_001, 'more than 100,000 differences'],
])(
  'a comparison that announces %i differences and never ends is bounded',
  async (differences, message) => {
    const head = `${JSON.stringify({ totals: {}, differences })}\n`
    const { error } = await readAll(endless(head, difference), async function* (server) {
      const ids = { base: { kind: 'id', id: 1 }, head: { kind: 'id', id: 2 } } as const
      yield* (await readComparison(server, ids, { project: null, signal })).differences
    })
    expect(error).toBeInstanceOf(AnswerError)
    expect(String(error)).toContain(message)
  },
)

test('a listing has no more files than its artifact', async () => {
  const { error, count } = await readAll(
    endless(null, `${JSON.stringify({ kind: 'file', path: 'a' })}\n`),
    (server) => readEntries(server, 1, { under: '', files: 2, signal }),
  )
  expect(error).toBeInstanceOf(AnswerError)
  expect(String(error)).toContain('more files than the 2 of the artifact')
  expect(count).toBe(2)
})

test('content that never ends is read no further than was announced', async () => {
  const { error, count } = await readAll(
    endless(null, 'x'.repeat(1000), { etag: '"a"', 'trove-length': '2500' }),
    (server) => readResumed(server, { path: '/f', label: 'f' }, signal),
  )
  expect(error).toBeInstanceOf(AnswerError)
  expect(String(error)).toMatch(/\d+ bytes instead of 2500/)
  expect(count).toBeLessThan(4)
})
