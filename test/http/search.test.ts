/** `GET /search`: paths inside the artifacts that the caller may read. */
import { beforeAll, describe, expect, test } from 'vitest'
import {
  artifactListSchema,
  searchLineSchema,
  type WireSearchLine,
  type WireSearchMatch,
} from '../../src/api/messages.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { tarOf } from './archives-of.ts'
import { openSharedServer, problemOf } from './open-server.ts'

const ids: Record<string, number> = {}
const day = 86_400_000
const server = await openSharedServer({ TROVE_GC_INTERVAL: 'off' })
let startedAt: number
beforeAll(async () => {
  startedAt = server.clock.now
  await put('1/dist', 'branch=main&workflow=ci', ['app.js', 'sub/app.js', 'sub/notes.txt'])
  server.clock.now += day
  await put('2/dist', 'branch=topic&workflow=ci', ['app.js', 'other'])
  await put('3/logs', 'branch=topic&workflow=nightly', ['app.js.log', 'deep/er/app.js'])
  server.clock.now += day
  await put('2/dist', 'branch=topic&workflow=ci&attempt=2', ['app.js'])
  await put('1/other', '', ['app.js'], 'octo/elsewhere')
})

async function put(
  place: string,
  query: string,
  paths: string[],
  project = 'octo/app',
): Promise<void> {
  const [run, name] = place.split('/')
  const body = await tarOf(paths.map((path) => ({ name: path, content: place, mode: 0o755 })))
  const path = `/api/v1/projects/${project}/runs/${run}/artifacts/${name}?job=b&${query}`
  const token = await server.token({ project, expiresInSeconds: 400 * 86_400 })
  const headers = { 'content-type': 'application/x-tar' }
  const id = await server.put(path, { token, headers, body })
  ids[`${place}${query.includes('attempt=2') ? '#2' : ''}`] = id
}

async function ask(query: string, token?: string): Promise<Response> {
  return await server.send(`/api/v1/search?${query}`, token === undefined ? {} : { token })
}

async function search(
  query: string,
  token?: string,
): Promise<{ matches: WireSearchMatch[]; nextCursor: string | null }> {
  const response = await ask(query, token)
  expect(response.headers.get('content-type')).toBe('application/x-ndjson')
  const lines = (await response.text())
    .trimEnd()
    .split('\n')
    .map((line): WireSearchLine => searchLineSchema.parse(JSON.parse(line)))
  const end = lines.pop()
  if (end === undefined || !('nextCursor' in end)) throw new Error('the response has no last line')
  return { matches: lines as WireSearchMatch[], nextCursor: end.nextCursor }
}

const digestOfBody = async (response: Response): Promise<string> =>
  digestOf(Buffer.from(await response.arrayBuffer()))

const places = ({ matches }: { matches: WireSearchMatch[] }): string[] =>
  matches.map(({ reference, entry }) => `${reference}:${entry.path}`)

describe('a search', () => {
  test('finds paths in the newest artifact first, and names each as commands do', async () => {
    const found = await search('path=**/app.js')
    expect(found.nextCursor).toBeNull()
    // The name of run 2 no longer means the artifact of its first attempt.
    expect(places(found)).toEqual([
      'octo/app@2/dist:app.js',
      'octo/app@3/logs:deep/er/app.js',
      `id:${ids['2/dist']}:app.js`,
      'octo/app@1/dist:app.js',
      'octo/app@1/dist:sub/app.js',
    ])
    const { artifact, entry } = found.matches.at(-1)!
    expect(artifact).toEqual({
      id: ids['1/dist'],
      name: 'dist',
      project: 'octo/app',
      run: 1,
      attempt: 1,
      branch: 'main',
      sha: null,
      workflow: 'ci',
      event: null,
      createdAt: new Date(startedAt).toISOString(),
    })
    const file = await server.send(`/api/v1/artifacts/${artifact.id}/files/${entry.path}`)
    expect(entry).toMatchObject({ kind: 'file', mode: '0755', sizeBytes: '1/dist'.length })
    expect(`sha256:${await digestOfBody(file)}`).toBe(entry.kind === 'file' && entry.digest)
  })

  test.each([
    ['run=1', ['1/dist']],
    ['name=logs', ['3/logs']],
    ['branch=main', ['1/dist']],
    ['workflow=nightly', ['3/logs']],
    ['workflow=ci&branch=topic', ['2/dist#2', '2/dist']],
    ['name=dist&run=2', ['2/dist#2', '2/dist']],
    ['run=99', []],
  ])('has the filters of the list: %s', async (query, wanted) => {
    const { matches } = await search(`path=**/app.js&${query}`)
    const searched = [...new Set(matches.map(({ artifact }) => artifact.id))]
    expect(searched).toEqual(wanted.map((place) => ids[place]))
    const list = await server.send(`/api/v1/artifacts?${query}`)
    const { items } = artifactListSchema.parse(await list.json())
    expect(items.map(({ id }) => id)).toEqual(searched)
  })

  test('can be restricted to artifacts uploaded since an instant', async () => {
    const since = (at: number): string => new Date(at).toISOString()
    expect((await search(`path=app.js&since=${since(startedAt + day)}`)).matches).toHaveLength(2)
    expect((await search(`path=app.js&since=${since(startedAt + day + 1)}`)).matches).toHaveLength(
      1,
    )
    const list = await server.send(`/api/v1/artifacts?since=${since(startedAt + 2 * day)}`)
    expect(artifactListSchema.parse(await list.json()).items).toHaveLength(1)
  })

  test('continues where its limit ended it', async () => {
    const whole = await search('path=**/app.js')
    const parts: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const part = await search(`path=**/app.js&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`)
      expect(part.matches.length).toBeLessThanOrEqual(2)
      parts.push(...places(part))
      cursor = part.nextCursor
    }
    expect(parts).toEqual(places(whole))
  })

  test('covers only what its caller may read', async () => {
    const run = await server.token({ run: 1, job: 'b', scope: 'run' })
    expect(places(await search('path=app.js', run))).toEqual(['octo/app@1/dist:app.js'])
    expect(places(await search('path=app.js&run=2', run))).toEqual([])
    expect((await ask('path=app.js&project=octo/elsewhere')).status).toBe(404)
    const elsewhere = await server.token({ project: 'octo/elsewhere' })
    expect(places(await search('path=app.js', elsewhere))).toEqual([
      'octo/elsewhere@1/other:app.js',
    ])
    const admin = await server.token({ scope: 'admin', project: undefined })
    expect(places(await search('path=app.js&project=octo/elsewhere', admin))).toHaveLength(1)
    const without = await server.send('/api/v1/search?path=app.js', { token: null })
    expect(without.status).toBe(401)
  })

  test.each([
    [''],
    ['path='],
    ['path=!a'],
    ['path=a&path=b'],
    ['path=a&nmae=b'],
    ['path=a&since=yesterday'],
    ['path=a&cursor=none'],
  ])('rejects %j, whether or not there is anything to search', async (query) => {
    for (const narrowed of ['', '&run=99']) {
      const problem = await problemOf(await ask(query + narrowed))
      expect(problem).toMatchObject({ status: 400, code: 'invalid_request' })
    }
  })

  test('distinguishes missing from empty parameters', async () => {
    expect(await problemOf(await ask(''))).toMatchObject({
      body: { detail: 'path: is required' },
    })
    expect(await problemOf(await ask('path='))).toMatchObject({
      body: { detail: 'path: must not be empty' },
    })
  })

  test('rejects a pattern that would take too long', async () => {
    const problem = await problemOf(await ask(`path=${'a'.repeat(limits.globCharactersMax + 1)}`))
    expect(problem).toMatchObject({ status: 413, code: 'too_large' })
  })
})
