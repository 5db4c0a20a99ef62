import { beforeAll, describe, expect, test } from 'vitest'
import { statsSchema } from '../../src/api/admin-messages.ts'
import { comparisonLineSchema, comparisonSchema } from '../../src/api/comparison-messages.ts'
import { holderListSchema } from '../../src/api/messages.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { readTokenClaims } from '../../src/core/access/token-claims.ts'
import type { TarEntry } from './archives-of.ts'
import { openSharedServer, problemOf } from './open-server.ts'

const server = await openSharedServer()

async function putTree(run: number, entries: TarEntry[], project = 'octo/app'): Promise<number> {
  return await server.put(`/api/v1/projects/${project}/runs/${run}/artifacts/build?branch=main`, {
    token: await server.token({ project }),
    tar: entries,
  })
}

describe('statistics', () => {
  test('add up: the savings are the difference between logical and stored bytes', async () => {
    const text = 'a line that compresses\n'.repeat(2000)
    await putTree(1, [{ name: 'a', content: text }])
    await putTree(2, [{ name: 'b', content: text }], 'octo/other')
    const admin = await server.token({ project: undefined, scope: 'admin' })
    const stats = statsSchema.parse(
      await (await server.send('/api/v1/stats', { token: admin })).json(),
    )
    expect(stats).toMatchObject({
      artifacts: 2,
      files: 2,
      logicalBytes: 2 * text.length,
      uniqueBytes: text.length,
    })
    expect(stats.savedBy.wholeFile).toBe(text.length)
    expect(stats.dedupRatio).toBe(2)
    const { wholeFile, chunk, compression } = stats.savedBy
    expect(stats.logicalBytes - wholeFile - chunk - (compression ?? 0)).toBe(stats.liveBytes)
    expect((stats.liveBytes ?? 0) + (stats.deadBytes ?? 0)).toBe(stats.storedBytes)
    expect(stats.storedBytes).toBeLessThan(text.length)
  })

  test('of one project leave out what packs share; those of the whole store are for administrators', async () => {
    const mine = statsSchema.parse(await (await server.send('/api/v1/stats')).json())
    expect(mine).toMatchObject({ artifacts: 1, storedBytes: null, packs: null })
    expect(await problemOf(await server.send('/api/v1/stats?project=octo/other'))).toMatchObject({
      status: 404,
    })
    const run = await server.token({ scope: 'run', run: 1, job: 'j' })
    expect((await server.send('/api/v1/stats', { token: run })).status).toBe(403)
    expect((await server.send('/api/v1/stats', { token: null })).status).toBe(401)
  })
})

describe('a comparison', () => {
  const compare = async (query: string) => await server.send(`/api/v1/compare?${query}`)

  test('lists the differences between two references, and their totals', async () => {
    await putTree(11, [
      { name: 'gone', content: '1' },
      { name: 'old/name', content: 'moving' },
      { name: 'tool', content: 'x' },
      { name: 'edit', content: '1' },
    ])
    await putTree(12, [
      { name: 'new/name', content: 'moving' },
      { name: 'tool', content: 'x', mode: 0o755 },
      { name: 'edit', content: '22' },
    ])
    const answer = comparisonSchema.parse(
      await (await compare('base=11/build&head=latest:main/build')).json(),
    )
    expect(answer.items.map(({ kind, path, from }) => [kind, path, from])).toEqual([
      ['changed', 'edit', null],
      ['removed', 'gone', null],
      ['moved', 'new/name', 'old/name'],
      ['mode', 'tool', null],
    ])
    expect(answer.totals).toMatchObject({
      added: 0,
      removed: 1,
      changed: 1,
      moved: 1,
      mode: 1,
      unchanged: 0,
    })
    expect(answer.complete).toBe(true)
  })

  test('is paged', async () => {
    const files = Array.from({ length: 5 }, (_, index) => ({
      name: `f${index}`,
      content: `${index}`,
    }))
    await putTree(21, [{ name: 'same', content: 's' }])
    await putTree(22, [{ name: 'same', content: 's' }, ...files])
    const paths: string[] = []
    let cursor = ''
    do {
      const response = await compare(`base=21/build&head=22/build&limit=2${cursor}`)
      const page = comparisonSchema.parse(await response.json())
      expect(page.totals.added).toBe(5)
      paths.push(...page.items.map((each) => each.path))
      cursor = page.nextCursor === null ? '' : `&cursor=${page.nextCursor}`
    } while (cursor !== '')
    expect(paths).toEqual(['f0', 'f1', 'f2', 'f3', 'f4'])
  })

  test('is one difference per line after a head that counts them, for clients that accept NDJSON', async () => {
    const files = Array.from({ length: 1500 }, (_, index) => ({
      name: `f${String(index).padStart(4, '0')}`,
      content: `${index}`,
    }))
    await putTree(23, [{ name: 'same', content: 's' }])
    await putTree(24, [{ name: 'same', content: 's' }, ...files])
    const response = await server.send('/api/v1/compare?base=23/build&head=24/build', {
      headers: { accept: 'application/x-ndjson' },
    })
    expect(response.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = (await response.text()).trimEnd().split('\n')
    const [head, ...rest] = lines.map((line) => comparisonLineSchema.parse(JSON.parse(line)))
    expect(head).toMatchObject({ differences: 1500, totals: { added: 1500, unchanged: 1 } })
    expect(rest.map((each) => ('path' in each ? each.path : ''))).toEqual(
      files.map(({ name }) => name),
    )
  })

  test('requires two live artifacts that the caller may read', async () => {
    expect(await problemOf(await compare('base=1/build'))).toMatchObject({
      status: 400,
      body: { field: 'head' },
    })
    expect(await problemOf(await compare('base=1/build&head=x'))).toMatchObject({
      status: 400,
      body: { field: 'ref' },
    })
    expect((await compare('base=1/build&head=1/none')).status).toBe(404)
    expect((await compare('base=1/build&head=octo/other@2/build')).status).toBe(404)
    const dead = await putTree(31, [{ name: 'a', content: 'a' }])
    await server.send(`/api/v1/artifacts/${dead}`, { method: 'DELETE' })
    expect((await compare(`base=1/build&head=id:${dead}`)).status).toBe(410)
    expect((await compare('base=1/build&head=31/build')).status).toBe(410)
  })
})

describe('holders of a digest', () => {
  const content = 'a file that several artifacts hold'
  const path = `/api/v1/digests/sha256:${digestOf(content)}`
  let mine: number[]
  let theirs: number
  beforeAll(async () => {
    mine = []
    for (const run of [61, 62, 63])
      mine.unshift(
        await putTree(run, [
          { name: `at/${run}`, content },
          { name: 'x', content: 'x' },
        ]),
      )
    theirs = await putTree(61, [{ name: 'theirs', content }], 'octo/other')
  })

  async function holders(query: string, token?: string): Promise<number[]> {
    const answer = await server.send(path + query, token === undefined ? {} : { token })
    expect(answer.status).toBe(200)
    return holderListSchema.parse(await answer.json()).items.map(({ id }) => id)
  }

  test('are those that the caller may read, newest first', async () => {
    expect(await holders('')).toEqual(mine)
    const admin = await server.token({ project: undefined, scope: 'admin' })
    expect(await holders('', admin)).toEqual([theirs, ...mine])
    expect(await holders('?project=octo/other', admin)).toEqual([theirs])
    expect((await server.send(`${path}?project=octo/other`)).status).toBe(404)
    const narrow = await server.token({ run: 61, job: 'build', scope: 'run' })
    expect((await server.send(path, { token: narrow })).status).toBe(403)
  })

  test('have the path of the file, found once per tree', async () => {
    const again = await putTree(64, [{ name: 'b/deep', content: 'two places, one tree' }])
    const both = await putTree(65, [{ name: 'b/deep', content: 'two places, one tree' }])
    const digest = digestOf('two places, one tree')
    const answer = await server.send(`/api/v1/digests/sha256:${digest}`)
    expect(holderListSchema.parse(await answer.json()).items).toMatchObject([
      { id: both, path: 'b/deep' },
      { id: again, path: 'b/deep' },
    ])
  })

  test('are paged', async () => {
    const found: number[] = []
    let next: string | null = `${path}?limit=2`
    for (let pages = 0; next !== null; pages++) {
      expect(pages).toBeLessThan(3)
      const answer = await server.send(next)
      const { items, nextCursor } = holderListSchema.parse(await answer.json())
      found.push(...items.map(({ id }) => id))
      expect(answer.headers.has('link')).toBe(nextCursor !== null)
      next = nextCursor === null ? null : `${path}?limit=2&cursor=${nextCursor}`
    }
    expect(found).toEqual(mine)
  })

  test('are none for an unknown digest, and a malformed digest is rejected', async () => {
    const unknown = await server.send(`/api/v1/digests/sha256:${'0'.repeat(64)}`)
    expect(await unknown.json()).toEqual({ items: [], nextCursor: null })
    expect(await problemOf(await server.send('/api/v1/digests/abc'))).toMatchObject({
      status: 400,
      body: { field: 'digest' },
    })
  })
})

describe('project settings', () => {
  test('can be changed by administrators, and are kept', async () => {
    const patch = async (json: unknown, token?: string) =>
      await server.send('/api/v1/projects/octo/app', {
        method: 'PATCH',
        json,
        ...(token !== undefined && { token }),
      })
    const admin = await server.token({ project: undefined, scope: 'admin' })
    expect((await patch({ onConflict: 'replace' })).status).toBe(403)
    const changed = await patch({ onConflict: 'replace' }, admin)
    expect(await changed.json()).toMatchObject({ name: 'octo/app', onConflict: 'replace' })
    expect((await patch({ onConflict: 'maybe' }, admin)).status).toBe(400)
  })

  test('of a project without uploads can be set by administrators; others get not found', async () => {
    const admin = await server.token({ project: undefined, scope: 'admin' })
    const patch = async (token: string): Promise<number> => {
      const json = { onConflict: 'replace' }
      const path = '/api/v1/projects/octo/none'
      return (await server.send(path, { method: 'PATCH', json, token })).status
    }
    expect(await patch(await server.token())).toBe(404)
    expect(await patch(admin)).toBe(200)
  })
})

describe('tokens', () => {
  test('are minted for administrators, and work', async () => {
    const admin = await server.token({ project: undefined, scope: 'admin' })
    const json = { project: 'octo/app', run: 1, job: 'build', expiresInSeconds: 600 }
    const minted = await server.send('/api/v1/tokens', { method: 'POST', token: admin, json })
    expect(minted.status).toBe(201)
    expect(minted.headers.get('cache-control')).toBe('no-store')
    const { token, expiresAt } = (await minted.json()) as { token: string; expiresAt: string }
    expect(Date.parse(expiresAt)).toBe(server.clock.now + 600_000)
    const list = await server.send('/api/v1/artifacts?run=1', { token })
    expect(await list.json()).toMatchObject({ total: 1 })
  })

  test('of a project are minted for its writers, with no more rights and no longer life than theirs', async () => {
    const writer = await server.token({ scope: 'write', expiresInSeconds: 3600 })
    const post = async (json: object): Promise<Response> =>
      await server.send('/api/v1/tokens', { method: 'POST', token: writer, json })
    const minted = await post({ run: 1, job: 'build' })
    expect(minted.status).toBe(201)
    const { token, expiresAt } = (await minted.json()) as { token: string; expiresAt: string }
    expect(Date.parse(expiresAt)).toBeLessThanOrEqual(server.clock.now + 3_600_000)
    expect(readTokenClaims(token)).toEqual({ project: 'octo/app', run: 1 })
    for (const json of [
      { scope: 'admin' },
      { scope: 'admin', project: 'octo/app' },
      { project: 'octo/other', run: 1, job: 'build' },
      { run: 1, job: 'build', expiresInSeconds: 7200 },
    ])
      expect((await post(json)).status).toBe(403)
  })

  test('are rejected for others, and without a project', async () => {
    const post = async (json: unknown, token?: string) =>
      (
        await server.send('/api/v1/tokens', {
          method: 'POST',
          json,
          ...(token !== undefined && { token }),
        })
      ).status
    const admin = await server.token({ project: undefined, scope: 'admin' })
    for (const scope of ['read', 'job'] as const) {
      const token = await server.token({ scope, run: 1, job: 'build' })
      expect(await post({ project: 'octo/app', run: 1, job: 'build' }, token)).toBe(403)
    }
    expect(await post({}, admin)).toBe(400)
    expect(await post({ project: 'octo/app', scope: 'job' }, admin)).toBe(400)
    expect(await post({ project: 'octo' }, admin)).toBe(422)
    for (const expiresInSeconds of [0, 1e10, Number.MAX_SAFE_INTEGER])
      expect(await post({ project: 'octo/app', expiresInSeconds }, admin)).toBe(400)
    expect(await post({ project: 'octo/app', run: 1, job: '\ud800' }, admin)).toBe(400)
  })
})
