import { describe, expect, test } from 'vitest'
import {
  artifactListSchema,
  retainedArtifactSchema,
  type WireArtifact,
} from '../../src/api/messages.ts'
import { openSharedServer, problemOf, type SendRequest, type TestServer } from './open-server.ts'

const server = await openSharedServer()

const dayMs = 86_400_000
let lastProject = 0
/** A project that no other test uses. */
function freshProject(): string {
  lastProject += 1
  return `octo/p${lastProject}`
}

async function put(project: string, place: string, query = '', body = place): Promise<number> {
  const [run, name] = place.split('/')
  const token = await server.token({ project })
  return await server.put(`/api/v1/projects/${project}/runs/${run}/artifacts/${name}${query}`, {
    token,
    body,
  })
}

async function list(
  project: string,
  query = '',
  token?: string,
): Promise<{ items: WireArtifact[]; nextCursor: string | null; total: number }> {
  const bearer = token ?? (await server.token({ project }))
  const response = await server.send(`/api/v1/artifacts?${query}`, { token: bearer })
  return artifactListSchema.parse(await response.json())
}

const names = (items: WireArtifact[]): string[] => items.map((each) => `${each.run}/${each.name}`)

describe('a list', () => {
  test("contains the artifacts of the token's project, newest first", async () => {
    const project = freshProject()
    await put(project, '1/a')
    server.clock.now += 1000
    await put(project, '2/b')
    await put(freshProject(), '1/other')
    const { items, total, nextCursor } = await list(project)
    expect(names(items)).toEqual(['2/b', '1/a'])
    expect({ total, nextCursor }).toEqual({ total: 2, nextCursor: null })
  })

  test('can be filtered by run, name, branch and state, and sorted', async () => {
    const project = freshProject()
    await put(project, '1/a', '?branch=main', 'x'.repeat(10))
    server.clock.now += 1000
    const deleted = await put(project, '1/b', '?branch=main')
    server.clock.now += 1000
    await put(project, '2/a', '?branch=topic', 'x'.repeat(500))
    await server.send(`/api/v1/artifacts/${deleted}`, {
      method: 'DELETE',
      token: await server.token({ project }),
    })
    expect(names((await list(project, 'run=1')).items)).toEqual(['1/a'])
    expect(names((await list(project, 'name=a')).items)).toEqual(['2/a', '1/a'])
    expect(names((await list(project, 'branch=topic')).items)).toEqual(['2/a'])
    expect(names((await list(project, 'state=deleted')).items)).toEqual(['1/b'])
    expect(names((await list(project, 'state=any&sort=oldest')).items)).toEqual([
      '1/a',
      '1/b',
      '2/a',
    ])
    expect(names((await list(project, 'sort=largest')).items)).toEqual(['2/a', '1/a'])
  })

  test.each([
    ['oldest', 'abcde'],
    ['newest', 'edcba'],
    ['largest', 'edcba'],
  ])('%s is paged by an opaque cursor, with a Link to the next page', async (sort, order) => {
    const project = freshProject()
    for (const name of 'abcde') await put(project, `1/${name}`)
    const token = await server.token({ project })
    const seen: string[] = []
    let next: string | undefined = `/api/v1/artifacts?sort=${sort}&limit=2`
    while (next !== undefined) {
      const response: Response = await server.send(next, { token })
      const page = artifactListSchema.parse(await response.json())
      seen.push(...page.items.map((each) => each.name))
      next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1]
      expect(next === undefined).toBe(page.nextCursor === null)
      expect(page.total).toBe(5)
    }
    expect(seen.join('')).toBe(order)
  })

  test('skips no artifact when others are deleted between two pages', async () => {
    const project = freshProject()
    for (const name of 'abcd') await put(project, `1/${name}`)
    const first = await list(project, 'limit=2')
    const token = await server.token({ project })
    await server.send(`/api/v1/artifacts/${first.items[0]!.id}`, { method: 'DELETE', token })
    const next = await list(project, `limit=2&cursor=${first.nextCursor}`)
    expect(names([...first.items, ...next.items])).toEqual(['1/d', '1/c', '1/b', '1/a'])
  })

  test('accepts a limit above 200 and reduces it', async () => {
    const project = freshProject()
    await put(project, '1/a')
    expect((await list(project, 'limit=100000')).items).toHaveLength(1)
  })

  test.each([
    ['limit=0', 'limit'],
    ['cursor=nonsense', 'cursor'],
    ['cursor=LTE', 'cursor'],
    ['run=x', 'run'],
    ['state=gone', 'state'],
    ['sort=best', 'sort'],
    ['brnach=main', 'brnach'],
    ['run=1&run=2', 'run'],
  ])('%s is rejected, naming the parameter', async (query, field) => {
    await put('octo/app', '1/a')
    const problem = await problemOf(await server.send(`/api/v1/artifacts?${query}`))
    expect(problem).toMatchObject({ status: 400, code: 'invalid_request', body: { field } })
  })

  test.each(['brnach', 'toString', '__proto__'])('%s is not a parameter', async (name) => {
    const { body } = await problemOf(await server.send(`/api/v1/artifacts?${name}=1`))
    expect(body['detail']).toBe(`${name}: unknown field`)
  })

  test('covers all projects for administrators only', async () => {
    const project = freshProject()
    await put(project, '77/only')
    const admin = await server.token({ project: undefined, scope: 'admin' })
    expect(names((await list('', 'run=77', admin)).items)).toEqual(['77/only'])
    expect(names((await list('', `project=${project}`, admin)).items)).toEqual(['77/only'])
  })

  test('returns the same 404 for a project of others and for one that does not exist', async () => {
    const project = freshProject()
    await put(project, '1/a')
    const token = await server.token({ project: 'octo/app' })
    const ask = async (name: string) => {
      const { body, status } = await problemOf(
        await server.send(`/api/v1/artifacts?project=${name}`, { token }),
      )
      return { status, detail: String(body['detail']).replace(name, 'NAME') }
    }
    expect(await ask(project)).toEqual(await ask('octo/never'))
    expect((await ask(project)).status).toBe(404)
  })

  test("contains only the token's run if the token can read only that", async () => {
    const project = freshProject()
    await put(project, '1/a')
    await put(project, '2/b')
    const token = await server.token({ project, scope: 'run', run: 2, job: 'j' })
    expect(names((await list(project, '', token)).items)).toEqual(['2/b'])
    expect((await list(project, 'run=1', token)).items).toEqual([])
  })
})

describe('one artifact', () => {
  test('returns its fields and the links to its representations', async () => {
    const project = freshProject()
    const id = await put(project, '5/a b', '?filename=x.txt&branch=main', 'hello')
    const token = await server.token({ project })
    const artifact = (await (
      await server.send(`/api/v1/artifacts/${id}`, { token })
    ).json()) as WireArtifact
    const self = `${server.url}/api/v1/artifacts/${id}`
    expect(artifact).toMatchObject({
      id,
      name: 'a b',
      project,
      run: 5,
      attempt: 1,
      state: 'available',
      kind: 'raw',
      files: 1,
      logicalBytes: 5,
      pinned: false,
      damagedFiles: [],
      links: {
        self,
        html: `${server.url}/${project}/actions/runs/5/artifacts/${id}`,
        download: `${self}/archive.zip`,
        tarGz: `${self}/archive.tar.gz`,
        manifest: `${self}/manifest`,
      },
    })
    const zip = await (await server.send(artifact.links.download, { token })).arrayBuffer()
    expect(zip.byteLength).toBe(artifact.zipBytes)
    const tarGz = await (await server.send(artifact.links.tarGz, { token })).arrayBuffer()
    expect(tarGz.byteLength).toBe(artifact.tarGzBytes)
  })

  test('is not found with a token of another project, and requires a token', async () => {
    const id = await put(freshProject(), '1/a')
    for (const path of [
      '',
      '/manifest',
      '/directory',
      '/files/a',
      '/archive.zip',
      '/archive.tar.gz',
    ]) {
      const foreign = await problemOf(await server.send(`/api/v1/artifacts/${id}${path}`))
      expect(foreign).toMatchObject({ status: 404, code: 'artifact_not_found' })
      const unknown = await server.send(`/api/v1/artifacts/${id}${path}`, { token: null })
      expect(await problemOf(unknown)).toMatchObject({ status: 401, code: 'unauthenticated' })
    }
    expect((await server.send(`/api/artifacts/${id}/download`)).status).toBe(404)
  })

  test('an unknown id is 404; an id that is not a number has no route', async () => {
    expect(await problemOf(await server.send('/api/v1/artifacts/999999'))).toMatchObject({
      status: 404,
      code: 'artifact_not_found',
    })
    expect(await problemOf(await server.send('/api/v1/artifacts/x'))).toMatchObject({
      status: 404,
      code: 'not_found',
    })
  })

  test('an expired token and a token of another server are rejected', async () => {
    const old = await server.token({ expiresInSeconds: 60 })
    server.clock.now += 61_000
    expect((await server.send('/api/v1/artifacts', { token: old })).status).toBe(401)
    expect((await server.send('/api/v1/artifacts', { token: `${old}x` })).status).toBe(401)
  })
})

describe('an expired artifact', () => {
  test('is gone on the very next read, in every form, with the instant of its expiry', async () => {
    const project = freshProject()
    const id = await put(project, '1/a', '?retentionDays=1&filename=f')
    const other = await put(project, '1/b', '?retentionDays=2')
    const token = await server.token({ project, expiresInSeconds: 100 * 86_400 })
    const artifact = (await (
      await server.send(`/api/v1/artifacts/${id}`, { token })
    ).json()) as WireArtifact
    server.clock.now = Date.parse(artifact.expiresAt)
    for (const path of [
      '',
      '/manifest',
      '/directory',
      '/files/f',
      '/archive.zip',
      '/archive.tar.gz',
    ]) {
      const problem = await problemOf(
        await server.send(`/api/v1/artifacts/${id}${path}`, { token }),
      )
      expect(problem).toMatchObject({
        status: 410,
        code: 'artifact_expired',
        body: { artifactId: id, expiredAt: artifact.expiresAt, reason: expect.any(String) },
      })
    }
    expect((await server.send(`/api/artifacts/${id}/download`, { token })).status).toBe(410)
    expect(names((await list(project, '', token)).items)).toEqual(['1/b'])
    const expired = (await list(project, 'state=expired', token)).items
    expect(expired).toMatchObject([{ id, state: 'expired' }])
    expect((await server.send(`/api/v1/artifacts/${other}`, { token })).status).toBe(200)
  })
})

describe('PATCH', () => {
  async function patch(id: number, json: unknown, request: SendRequest = {}): Promise<Response> {
    return await server.send(`/api/v1/artifacts/${id}`, { method: 'PATCH', json, ...request })
  }

  test('changes the expiry, at most to the maximum from now', async () => {
    const project = freshProject()
    const id = await put(project, '1/a')
    const token = await server.token({ project })
    const wanted = new Date(server.clock.now + 3 * dayMs).toISOString()
    const changed = await (await patch(id, { expiresAt: wanted }, { token })).json()
    // Without the details, which cost a second for many files.
    expect(retainedArtifactSchema.strict().parse(changed)).toMatchObject({
      expiresAt: wanted,
      expiresInSecondsMax: (400 * dayMs) / 1000,
    })
    const far = await patch(id, { expiresAt: '2999-01-01T00:00:00Z' }, { token })
    const latest = new Date(server.clock.now + 400 * dayMs).toISOString()
    expect(await far.json()).toMatchObject({ expiresAt: latest })
  })

  test('a pinned artifact outlives its expiry and expires when it is unpinned', async () => {
    const project = freshProject()
    const id = await put(project, '1/a', '?retentionDays=1')
    const token = await server.token({ project, expiresInSeconds: 100 * 86_400 })
    expect(await (await patch(id, { pinned: true }, { token })).json()).toMatchObject({
      pinned: true,
    })
    server.clock.now += 2 * dayMs
    expect((await server.send(`/api/v1/artifacts/${id}`, { token })).status).toBe(200)
    await patch(id, { pinned: false }, { token })
    expect((await server.send(`/api/v1/artifacts/${id}`, { token })).status).toBe(410)
  })

  test('?dryRun changes nothing, and a parameter that does not exist is an error', async () => {
    const project = freshProject()
    const id = await put(project, '1/a')
    const token = await server.token({ project })
    const path = `/api/v1/artifacts/${id}`
    const json = { expiresAt: new Date(server.clock.now).toISOString() }
    const dry = await server.send(`${path}?dryRun`, { method: 'PATCH', json, token })
    expect([dry.status, await dry.json()]).toMatchObject([200, json])
    const wrong = await server.send(`${path}?dry-run=1`, { method: 'PATCH', json, token })
    expect(await problemOf(wrong)).toMatchObject({ code: 'invalid_request', status: 400 })
    const deletion = { method: 'POST', json: { ids: [id] }, token }
    const bulk = await server.send('/api/v1/artifacts/bulk-delete?dryRun=1', deletion)
    expect(await bulk.json()).toMatchObject({ dryRun: true })
    expect(await (await server.send(path, { token })).json()).toMatchObject({ state: 'available' })
    const admin = await server.token({ scope: 'admin' })
    const settings = { method: 'PATCH', json: { strict: true }, token: admin }
    const policy = await server.send(`/api/v1/projects/${project}?dryRun`, settings)
    expect(await problemOf(policy)).toMatchObject({ code: 'invalid_request', status: 400 })
  })

  test('?dryRun, and a field, is an error of a request that its path says whole', async () => {
    const project = freshProject()
    const id = await put(project, '1/a')
    const admin = await server.token({ scope: 'admin' })
    const token = await server.token({ project })
    const path = `/api/v1/artifacts/${id}`
    await server.send(path, { method: 'DELETE', token })
    const requests = [
      `${path}/undelete`,
      `/api/v1/projects/${project}/tokens/revoke`,
      '/api/v1/admin/scrub',
      '/api/v1/admin/snapshot',
    ]
    for (const request of requests) {
      const asked = [
        await server.send(`${request}?dryRun`, { method: 'POST', token: admin }),
        await server.send(request, { method: 'POST', token: admin, json: { dryRun: true } }),
      ]
      for (const response of asked)
        expect(await problemOf(response)).toMatchObject({ status: 400, code: 'invalid_request' })
    }
    // Nothing was restored, and the token was not revoked.
    expect((await server.send(path, { token })).status).toBe(410)
  })

  test('is rejected for jobs and readers, for ended artifacts, and for invalid or empty changes', async () => {
    const project = freshProject()
    const id = await put(project, '1/a')
    const job = await server.token({ project, scope: 'job', run: 1, job: 'j' })
    const read = await server.token({ project, scope: 'read' })
    expect((await patch(id, { pinned: true }, { token: job })).status).toBe(403)
    expect((await patch(id, { pinned: true }, { token: read })).status).toBe(403)
    const token = await server.token({ project })
    expect((await patch(id, {}, { token })).status).toBe(400)
    expect((await patch(id, { expiresAt: 'tomorrow' }, { token })).status).toBe(400)
    expect((await patch(id, { pined: true }, { token })).status).toBe(400)
    const twice = { expiresAt: '2999-01-01T00:00:00Z', expiresInSeconds: 1 }
    expect((await patch(id, twice, { token })).status).toBe(400)
    expect((await patch(id, { dryRun: true }, { token })).status).toBe(400)
    await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE', token })
    expect((await patch(id, { pinned: true }, { token })).status).toBe(410)
  })
})

describe('DELETE', () => {
  test('ends an artifact at once and leaves a tombstone with the reason', async () => {
    const project = freshProject()
    const id = await put(project, '1/a')
    const token = await server.token({ project })
    const deleted = await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE', token })
    const deletedAt = new Date(server.clock.now).toISOString()
    const undoUntil = new Date(server.clock.now + 60 * 60 * 1000).toISOString()
    const ended = { id, state: 'deleted', deletedAt, undoUntil, dryRun: false }
    const measured = {
      freedBytes: expect.any(Number) as number,
      sharedBytes: expect.any(Number) as number,
    }
    expect(await deleted.json()).toEqual({ ...ended, ...measured })
    const gone = await problemOf(await server.send(`/api/v1/artifacts/${id}`, { token }))
    expect(gone).toMatchObject({
      status: 410,
      code: 'artifact_deleted',
      body: { deletedAt, reason: 'deleted' },
    })
    expect((await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE', token })).status).toBe(
      410,
    )
    expect((await list(project)).items).toEqual([])
    expect((await list(project, 'state=deleted')).items).toMatchObject([
      { id, removedAt: deletedAt },
    ])
  })

  test('frees the name', async () => {
    const project = freshProject()
    const id = await put(project, '1/a', '', 'old')
    await server.send(`/api/v1/artifacts/${id}`, {
      method: 'DELETE',
      token: await server.token({ project }),
    })
    expect(await put(project, '1/a', '', 'new')).not.toBe(id)
  })

  test('is allowed to the run that made it and to writers', async () => {
    const project = freshProject()
    const id = await put(project, '1/a')
    const remove = async (request: Parameters<TestServer['token']>[0]) => {
      const token = await server.token({ project, ...request })
      return (await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE', token })).status
    }
    expect(await remove({ scope: 'read' })).toBe(403)
    expect(await remove({ scope: 'job', run: 2, job: 'j' })).toBe(403)
    expect(await remove({ scope: 'run', run: 2, job: 'j' })).toBe(404)
    expect(await remove({ scope: 'job', run: 1, job: 'another' })).toBe(200)
  })
})
