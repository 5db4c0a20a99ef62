/** Differences from a tree that the client has, by `GET /artifacts/{id}/tree?base=`. */
import { describe, expect, test } from 'vitest'
import { changesMediaType, manifestMediaType } from '../../src/api/negotiation.ts'
import { changesHeader } from '../../src/core/manifest/manifest-changes.ts'
import { decodeTimes } from '../../src/core/manifest/modification-times.ts'
import { createByteReader } from '../../src/core/bytes/varint.ts'
import type { TarEntry } from './archives-of.ts'
import { openSharedServer, problemOf } from './open-server.ts'

const server = await openSharedServer()
let lastRun = 0

async function putTree(entries: TarEntry[], project = 'octo/app'): Promise<number> {
  lastRun += 1
  return await server.put(`/api/v1/projects/${project}/runs/${lastRun}/artifacts/build`, {
    token: await server.token({ project }),
    tar: entries,
  })
}

const tree = async (id: number, base: number | string): Promise<Response> =>
  await server.send(`/api/v1/artifacts/${id}/tree?base=${base}`)

/** Returns the lines of the changes, and the times of all entries of the head. */
async function changesOf(response: Response, count: number) {
  expect(response.headers.get('content-type')).toBe(changesMediaType)
  const body = Buffer.from(await response.arrayBuffer())
  expect(body.subarray(0, changesHeader.length).toString()).toBe(changesHeader)
  const reader = createByteReader(body.subarray(changesHeader.length))
  let lines = ''
  for (let page = reader.sized(); page.length > 0; page = reader.sized()) lines += page.toString()
  const perPage = reader.varint()
  const times: (number | null)[] = []
  while (!reader.atEnd()) {
    const page = reader.sized()
    const own = Math.min(perPage, count - times.length)
    times.push(...(page.length === 0 ? Array<null>(own).fill(null) : decodeTimes(page, own)))
  }
  return { lines: lines.split('\n').slice(0, -1), times }
}

const many = (count: number): TarEntry[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `many/${String(index).padStart(5, '0')}`,
    content: `${index}`,
    mtime: new Date(1_600_000_000_000 + index * 1000),
  }))

describe('the changes of a tree', () => {
  test('are the new or changed lines and the removed paths, with all times', async () => {
    const base = await putTree([
      { name: 'edit', content: '1' },
      { name: 'gone', content: '2' },
      ...many(1500),
    ])
    const head = await putTree([
      { name: 'added', content: '3' },
      { name: 'edit', content: '11' },
      ...many(1500),
    ])
    const { lines, times } = await changesOf(await tree(head, base), 1502)
    expect(lines.map((line) => line.replace(/[0-9a-f]{64}/, 'DIGEST'))).toEqual([
      'f 644 1 DIGEST added',
      'f 644 2 DIGEST edit',
      '- gone',
    ])
    expect(times).toHaveLength(1502)
    expect(times.slice(-2)).toEqual([1_600_001_498, 1_600_001_499])
  })

  test('are empty for an equal tree', async () => {
    const [base, head] = [await putTree(many(3)), await putTree(many(3))]
    expect((await changesOf(await tree(head, base), 3)).lines).toEqual([])
    expect((await changesOf(await tree(head, head), 3)).lines).toEqual([])
  })

  test('may cover every entry', async () => {
    const base = await putTree(many(2500))
    const head = await putTree(
      many(2500).map((entry) => ({ ...entry, content: `new ${entry.name}` })),
    )
    expect((await changesOf(await tree(head, base), 2500)).lines).toHaveLength(2500)
  })
})

describe('the whole tree is sent', () => {
  test.each(['gone', 'deleted', "another's", 'expired'])('when the base is %s', async (how) => {
    const head = await putTree(many(2))
    let base = 999_999
    if (how === "another's") base = await putTree(many(2), 'eve/own')
    if (how === 'deleted') {
      base = await putTree(many(2))
      const address = `/api/v1/artifacts/${base}`
      expect((await server.send(address, { method: 'DELETE' })).ok).toBe(true)
    }
    if (how === 'expired') {
      base = await putTree(many(2))
      const json = { expiresAt: new Date(server.clock.now + 1000).toISOString() }
      const address = `/api/v1/artifacts/${base}`
      expect((await server.send(address, { method: 'PATCH', json })).ok).toBe(true)
      server.clock.now += 2000
    }
    const response = await tree(head, base)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe(manifestMediaType)
    await response.arrayBuffer()
  })

  test('except for a malformed base, which is rejected', async () => {
    const head = await putTree(many(1))
    expect(await problemOf(await tree(head, 'x'))).toMatchObject({ status: 400 })
  })
})
