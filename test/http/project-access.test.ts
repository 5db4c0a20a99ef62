/** Tokens for several projects: they reach the projects they list, as far as they say, and no
 *  others. */
import { expect, test } from 'vitest'
import { statsSchema, type WireStats } from '../../src/api/admin-messages.ts'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { openSharedServer, problemOf, type SendRequest } from './open-server.ts'

const server = await openSharedServer()

const admin = await server.token({ project: undefined, scope: 'admin' })
const wide = async (request: TokenRequest): Promise<string> =>
  await server.token({ project: undefined, ...request })
const reader = await wide({ projects: 'octo/* ACME/App', scope: 'read' })
const writer = await wide({ projects: 'octo/*', scope: 'write' })

const pathOf = (project: string): string => `/api/v1/projects/${project}/runs/1/artifacts/dist`
const put = async (project: string): Promise<number> =>
  await server.put(pathOf(project), { token: admin, body: 'shared content' })
const ids = {
  'octo/app': await put('octo/app'),
  'octo/lib': await put('octo/lib'),
  'acme/app': await put('acme/app'),
  'acme/secret': await put('acme/secret'),
}

const statusOf = async (path: string, request: SendRequest): Promise<number> =>
  (await server.send(path, request)).status

test('a reader of several projects reads the artifacts of these only', async () => {
  const reads = async (token: string): Promise<string[]> => {
    const found: string[] = []
    for (const [project, id] of Object.entries(ids))
      if ((await statusOf(`/api/v1/artifacts/${id}`, { token })) === 200) found.push(project)
    return found
  }
  expect(await reads(reader)).toEqual(['octo/app', 'octo/lib', 'acme/app'])
  expect(await reads(writer)).toEqual(['octo/app', 'octo/lib'])
  expect(await statusOf(`/api/v1/artifacts/${ids['octo/app']}`, reading('DELETE'))).toBe(403)
  expect(await statusOf(pathOf('octo/app'), { ...reading('PUT'), body: 'x' })).toBe(403)
})

function reading(method: string): SendRequest {
  return { token: reader, method }
}

test.each(['/audit', '/tokens', '/runs/1'])(
  '%s is of one project, which such a token must name',
  async (route) => {
    const path = `/api/v1${route}`
    const named = (project: string): string => `${path}?project=${project}`
    for (const token of [reader, writer]) {
      expect(await problemOf(await server.send(path, { token }))).toMatchObject({
        status: 400,
        body: { field: 'project' },
      })
      expect(await statusOf(named('acme/secret'), { token })).toBe(404)
    }
    expect(await statusOf(named('octo/lib'), { token: writer })).toBe(200)
  },
)

test('statistics are the sum over the projects of the token, or of the one named', async () => {
  const read = async (token: string, query = ''): Promise<WireStats> =>
    statsSchema.parse(await (await server.send(`/api/v1/stats${query}`, { token })).json())
  const one = await read(reader, '?project=acme/app')
  expect(one).toMatchObject({ artifacts: 1, storedBytes: null })
  const uniqueBytes = 3 * one.uniqueBytes
  expect(await read(reader)).toMatchObject({ artifacts: 3, uniqueBytes, storedBytes: null })
  expect(await read(writer)).toMatchObject({ artifacts: 2, storedBytes: null })
  const all = await wide({ projects: '**', scope: 'read' })
  expect(await read(all)).toMatchObject({ artifacts: 4, storedBytes: null })
  const none = await wide({ projects: 'other/*', scope: 'read' })
  expect(await read(none)).toMatchObject({ artifacts: 0, uniqueBytes: 0, dedupRatio: 1 })
  expect(await statusOf('/api/v1/stats?project=acme/secret', { token: reader })).toBe(404)
})

test('a comparison reaches across the projects of the token', async () => {
  const compare = async (base: string, head: string): Promise<number> =>
    await statusOf(`/api/v1/compare?base=${base}@1/dist&head=${head}@1/dist`, { token: reader })
  expect(await compare('octo/app', 'acme/app')).toBe(200)
  expect(await compare('octo/app', 'acme/secret')).toBe(404)
})

test('a file is found in the projects of the token, newest first, page by page', async () => {
  const path = `/api/v1/digests/sha256:${digestOf('shared content')}`
  const find = async (token: string, query = ''): Promise<number[]> => {
    const response = await server.send(path + query, { token })
    const answer = (await response.json()) as { items: { id: number }[]; nextCursor: string | null }
    const found = answer.items.map(({ id }) => id)
    if (answer.nextCursor === null) return found
    return [...found, ...(await find(token, `?limit=1&cursor=${answer.nextCursor}`))]
  }
  const readable = [ids['acme/app'], ids['octo/lib'], ids['octo/app']]
  expect(await find(reader)).toEqual(readable)
  expect(await find(reader, '?limit=1')).toEqual(readable)
  expect(await find(writer)).toEqual([ids['octo/lib'], ids['octo/app']])
  expect(await find(admin)).toEqual([ids['acme/secret'], ...readable])
  expect(await find(reader, '?project=octo/app')).toEqual([ids['octo/app']])
})

test('artifacts are listed in the projects of the token, in every order, page by page', async () => {
  interface Page {
    items: { id: number }[]
    nextCursor: string | null
    total: number
  }
  const list = async (token: string, query = '', cursor = ''): Promise<number[]> => {
    const response = await server.send(`/api/v1/artifacts?limit=1${query}${cursor}`, { token })
    const { items, nextCursor, total } = (await response.json()) as Page
    const found = items.map(({ id }) => id)
    const rest = nextCursor === null ? [] : await list(token, query, `&cursor=${nextCursor}`)
    if (cursor === '') expect(total).toBe(found.length + rest.length)
    return [...found, ...rest]
  }
  const readable = [ids['acme/app'], ids['octo/lib'], ids['octo/app']]
  for (const query of ['', '&run=1', '&name=dist&state=any'])
    expect(await list(reader, query)).toEqual(readable)
  for (const sort of ['oldest', 'expiring'])
    expect(await list(reader, `&sort=${sort}`)).toEqual(readable.toReversed())
  expect(await list(reader, '&run=2')).toEqual([])
  expect(await list(writer)).toEqual(readable.slice(1))
  expect(await list(reader, '&project=octo/app')).toEqual([ids['octo/app']])
  const everything = await wide({ projects: '**', scope: 'read' })
  expect(await list(everything)).toEqual([ids['acme/secret'], ...readable])
  expect(await list(await wide({ projects: 'nobody/*', scope: 'read' }))).toEqual([])
  for (const route of ['/artifacts?', '/search?path=*&'])
    expect(await statusOf(`/api/v1${route}project=acme/secret`, { token: reader })).toBe(404)
})

test('paths are searched in the projects of the token, newest first, page by page', async () => {
  const search = async (token: string, cursor?: string): Promise<string[]> => {
    const from = cursor === undefined ? '' : `&cursor=${cursor}`
    const response = await server.send(`/api/v1/search?path=*&limit=1${from}`, { token })
    const lines = (await response.text()).trim().split('\n')
    const { nextCursor } = JSON.parse(lines.pop()!) as { nextCursor: string | null }
    const found = lines.map((line) => (JSON.parse(line) as { reference: string }).reference)
    return nextCursor === null ? found : [...found, ...(await search(token, nextCursor))]
  }
  expect(await search(reader)).toEqual(['acme/app@1/dist', 'octo/lib@1/dist', 'octo/app@1/dist'])
  expect(await search(writer)).toEqual(['octo/lib@1/dist', 'octo/app@1/dist'])
  expect(await search(await wide({ projects: 'nobody/*', scope: 'read' }))).toEqual([])
})

test('a bulk delete ends at the border of what the token may write', async () => {
  const remove = async (artifactIds: number[], token: string): Promise<number> =>
    await statusOf('/api/v1/artifacts/bulk-delete', {
      method: 'POST',
      token,
      json: { ids: artifactIds },
    })
  expect(await remove([ids['octo/app']], reader)).toBe(403)
  expect(await remove([ids['octo/app'], ids['acme/app']], writer)).not.toBe(200)
  expect(await statusOf(`/api/v1/artifacts/${ids['octo/app']}`, { token: reader })).toBe(200)
})

test('an upload in progress belongs to its project, whoever else may write to others', async () => {
  const json = {
    project: 'acme/app',
    run: 1,
    name: 'other',
    treeDigest: `sha256:${digestOf('tree')}`,
    entryCount: 1,
    fileCount: 1,
    logicalBytes: 1,
    timesDigest: `sha256:${digestOf('')}`,
  }
  const offer = await server.send('/api/v1/uploads', { method: 'POST', token: admin, json })
  const { id } = (await offer.json()) as { id: string }
  expect(offer.ok).toBe(true)
  const send = async (token: string): Promise<number> =>
    await statusOf(`/api/v1/uploads/${id}/packs`, { method: 'POST', token, body: '' })
  const acmeWriter = await wide({ projects: 'acme/*', scope: 'write' })
  for (const other of [writer, reader]) expect(await send(other)).toBe(409)
  expect(await send(acmeWriter)).toBe(200)
})

test('a writer of several projects mints tokens for each of them, but none for several', async () => {
  const mint = async (token: string, json: TokenRequest): Promise<number> =>
    await statusOf('/api/v1/tokens', { method: 'POST', token, json })
  expect(await mint(writer, { project: 'octo/new', scope: 'write', expiresInSeconds: 60 })).toBe(
    201,
  )
  expect(await mint(writer, { project: 'acme/app', scope: 'read' })).toBe(403)
  expect(await mint(writer, { projects: 'octo/*', scope: 'read' })).toBe(403)
  expect(await mint(reader, { project: 'octo/app', scope: 'read' })).toBe(403)
  expect(await mint(admin, { projects: 'octo/*', scope: 'read' })).toBe(201)
  for (const wrong of [
    { projects: 'octo/*', scope: 'admin' },
    { projects: 'octo/*', scope: 'job', run: 1, job: 'build' },
    { projects: 'octo/*', project: 'octo/app' },
    { projects: 'octo', scope: 'read' },
    { projects: ' ', scope: 'read' },
  ] as const)
    expect(await mint(admin, wrong)).toBe(400)
})

test('revoking the tokens of a project leaves a token for several valid, which can mint again', async () => {
  const project = 'octo/revoked'
  const revoke = { method: 'POST', token: admin }
  server.clock.now += 1000
  expect(await statusOf(`/api/v1/projects/${project}/tokens/revoke`, revoke)).toBe(200)
  server.clock.now += 1000
  const minted = await server.send('/api/v1/tokens', {
    method: 'POST',
    token: writer,
    json: { project, scope: 'write' },
  })
  const { token } = (await minted.json()) as { token: string }
  expect(await statusOf(pathOf(project), { method: 'PUT', token, body: 'x' })).toBe(201)
})

test('a token for several projects is described and listed with them', async () => {
  const request = { method: 'POST', token: admin, json: { projects: 'octo/* acme/**' } }
  const { token } = (await (await server.send('/api/v1/tokens', request)).json()) as {
    token: string
  }
  const access = [
    { scope: 'read', projects: 'octo/*' },
    { scope: 'read', projects: 'acme/**' },
  ]
  const current = await server.send('/api/v1/tokens/current', { token })
  expect(await current.json()).toMatchObject({ scope: 'read', project: null, access })
  const list = await server.send('/api/v1/tokens', { token: admin })
  const { items } = (await list.json()) as { items: object[] }
  expect(items).toContainEqual(expect.objectContaining({ project: null, access }))
})

test('a token that lists more projects than a cookie can hold opens no session', async () => {
  const projects = Array.from({ length: 60 }, (_, n) => `acme/a-rather-long-project-name-${n}`)
  const token = await wide({ projects: projects.join(' '), scope: 'read' })
  const headers = {
    origin: server.url,
    'content-type': 'application/x-www-form-urlencoded',
  }
  const body = `token=${token}`
  const refused = await server.send('/sign-in', { method: 'POST', token: null, headers, body })
  expect(refused.status).toBe(403)
  expect(await refused.text()).toContain('too many projects for a cookie')
  expect(refused.headers.getSetCookie()).toEqual([])
})

test('the pages show the projects of the token', async () => {
  const visitor = { project: undefined, projects: 'octo/* acme/app', scope: 'read' } as const
  const home = await (await server.visit('/', visitor)).text()
  for (const project of ['octo/app', 'octo/lib', 'acme/app']) expect(home).toContain(`/${project}"`)
  expect(home).not.toContain('acme/secret')
  const digest = digestOf('shared content')
  const found = await (await server.visit(`/find?digest=${digest}`, visitor)).text()
  expect(found).toContain('acme/app')
  expect(found).not.toContain('acme/secret')
  expect((await server.visit('/acme/secret', visitor)).status).toBe(404)
  expect((await server.visit('/acme/app', visitor)).status).toBe(200)
})
