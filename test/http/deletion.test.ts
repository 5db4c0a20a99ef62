/** Deletion, undo, garbage collection and quotas, as seen by callers of the API. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { artifactSchema } from '../../src/api/messages.ts'
import type { Environment } from '../../src/config/settings.ts'
import { diskBytes } from '../lifecycle/leftovers.ts'
import { documentPath } from './document-path.ts'
import { openServer, openSharedServer, problemOf, type TestServer } from './open-server.ts'
import { runJob } from './run-job.ts'

let projects = 0

const server = await openSharedServer({ TROVE_MIN_FREE: '0' })

/** A project of its own, so that no test sees artifacts of another. */
function freshProject(): string {
  projects += 1
  return `octo/deletion-${projects}`
}

interface Sender {
  project: string
  put(place: string, body: Uint8Array | string, query?: string): Promise<number>
  send(method: string, path: string, json?: unknown): Promise<Response>
}

async function senderOf(project: string, on: TestServer = server): Promise<Sender> {
  const token = await on.token({ project, expiresInSeconds: 400 * 86_400 })
  return {
    project,
    put: async (place, body, query = '') => {
      const [run, name] = place.split('/')
      const path = `/api/v1/projects/${project}/runs/${run}/artifacts/${name}${query}`
      return await on.put(path, { body, token })
    },
    send: async (method, path, json) =>
      await on.send(`/api/v1${path}`, { method, token, ...(json !== undefined && { json }) }),
  }
}

async function jsonOf(response: Response): Promise<Record<string, unknown>> {
  return (await response.json()) as Record<string, unknown>
}

async function ownServer(environment: Environment = {}): Promise<TestServer> {
  const own = await openServer({ TROVE_MIN_FREE: '0', ...environment })
  onTestFinished(() => own.close())
  return own
}

describe('DELETE /artifacts/{id}', () => {
  test('reports beforehand and afterwards what it frees: bytes that nothing else holds', async () => {
    const { put, send } = await senderOf(freshProject())
    const shared = randomBytes(20_000)
    const id = await put('1/a', Buffer.concat([shared]))
    const copy = await put('1/b', shared)
    expect(await jsonOf(await send('GET', `/artifacts/${id}`))).toMatchObject({ exclusiveBytes: 0 })
    await send('DELETE', `/artifacts/${copy}`)
    // A deleted artifact that can still be restored counts as gone.
    const dry = await jsonOf(await send('DELETE', `/artifacts/${id}?dryRun`))
    expect(dry).toMatchObject({ id, state: 'available', deletedAt: null, dryRun: true })
    expect(dry['freedBytes']).toBeGreaterThan(20_000)
    expect(dry['freedBytes']).toBeLessThan(20_500)
    expect((await send('GET', `/artifacts/${id}`)).status).toBe(200)
    const gone = await jsonOf(await send('DELETE', `/artifacts/${id}`))
    expect(gone).toMatchObject({ state: 'deleted', freedBytes: dry['freedBytes'] })
  })
})

describe('undelete', () => {
  test('restores the artifact with its content, as long as undo is possible', async () => {
    const { put, send } = await senderOf(freshProject())
    const id = await put('1/a', 'content')
    await send('DELETE', `/artifacts/${id}`)
    await runJob(server, 'gc', {})
    const back = await send('POST', `/artifacts/${id}/undelete`)
    expect(back.status).toBe(200)
    // Without the details, which cost a second for many files.
    const restored = artifactSchema.strict().parse(await back.json())
    expect(restored).toMatchObject({ id, state: 'available' })
    expect(await (await send('GET', `/artifacts/${id}/files/a`)).text()).toBe('content')

    await send('DELETE', `/artifacts/${id}`)
    server.clock.now += 60 * 60 * 1000
    const late = await problemOf(await send('POST', `/artifacts/${id}/undelete`))
    expect(late).toMatchObject({ status: 410, code: 'artifact_deleted' })
  })

  test('is rejected when the name was taken meanwhile, and for tokens that may not write', async () => {
    const project = freshProject()
    const { put, send } = await senderOf(project)
    const id = await put('1/a', 'old')
    await send('DELETE', `/artifacts/${id}`)
    const reader = await server.token({ project, scope: 'read' })
    const path = `/api/v1/artifacts/${id}/undelete`
    expect((await server.send(path, { method: 'POST', token: reader })).status).toBe(403)
    const other = await put('1/a', 'new')
    const taken = await problemOf(await send('POST', `/artifacts/${id}/undelete`))
    expect(taken).toMatchObject({ status: 409, code: 'name_taken', body: { artifactId: other } })
  })
})

describe('bulk-delete', () => {
  test('by ids: deletes all of them or, if one is missing, none', async () => {
    const { put, send } = await senderOf(freshProject())
    const ids = [await put('1/a', randomBytes(3000)), await put('1/b', randomBytes(3000))]
    const wrong = await send('POST', '/artifacts/bulk-delete', { ids: [...ids, 999_999] })
    expect(wrong.status).toBe(404)
    const dry = await jsonOf(await send('POST', '/artifacts/bulk-delete', { ids, dryRun: true }))
    expect(dry).toMatchObject({ items: [{ id: ids[0] }, { id: ids[1] }], dryRun: true })
    expect(dry['freedBytes']).toBeGreaterThan(6000)
    expect((await send('GET', `/artifacts/${ids[0]}`)).status).toBe(200)
    const done = await jsonOf(await send('POST', '/artifacts/bulk-delete', { ids }))
    expect(done['freedBytes']).toBe(dry['freedBytes'])
    for (const id of ids) expect((await send('GET', `/artifacts/${id}`)).status).toBe(410)
  })

  test('by filter, which must restrict the result and have known fields only', async () => {
    const { put, send } = await senderOf(freshProject())
    const old = await put('1/a', 'one')
    server.clock.now += 1000
    const createdBefore = new Date(server.clock.now).toISOString()
    const young = await put('2/a', 'two', '?branch=main')
    const remove = async (filter: object): Promise<Response> =>
      await send('POST', '/artifacts/bulk-delete', { filter })
    expect((await remove({})).status).toBe(400)
    expect((await remove({ run: 1, colour: 'red' })).status).toBe(400)
    expect(await jsonOf(await remove({ createdBefore: '2026-11-29' }))).toMatchObject({
      detail: 'filter.createdBefore: must be a time in UTC such as 2026-11-29T00:00:00Z',
    })
    expect((await remove({ branch: 'nobody' })).status).toBe(200)
    expect(await jsonOf(await remove({ createdBefore }))).toMatchObject({ items: [{ id: old }] })
    expect(await jsonOf(await remove({ run: 2, name: 'a' }))).toMatchObject({
      items: [{ id: young }],
    })
  })
})

test('deleting a run deletes the artifacts of all its attempts, and nothing else', async () => {
  const { project, put, send } = await senderOf(freshProject())
  const gone = [await put('1/a', '1'), await put('1/a', '2', '?attempt=2')]
  const stays = await put('2/a', '3')
  expect((await send('DELETE', '/runs/9')).status).toBe(404)
  const dry = await jsonOf(await send('DELETE', `/runs/1?project=${project}&dryRun`))
  expect((dry['items'] as unknown[]).length).toBe(2)
  expect(await jsonOf(await send('DELETE', `/runs/1?project=${project}`))).toMatchObject({
    items: gone.map((id) => ({ id })),
  })
  expect((await send('GET', `/artifacts/${stays}`)).status).toBe(200)
})

test('deleting a job deletes its steps and log, but not its artifacts', async () => {
  const { project, put, send } = await senderOf(freshProject())
  const id = await put('1/a', 'content', '?job=build')
  const sendEvents = async (sequence: number, ...events: object[]): Promise<void> => {
    const path = `/projects/${project}/runs/1/record`
    const batch = { recording: '0'.repeat(32), sequence, events }
    expect((await send('PUT', path, batch)).status).toBe(200)
  }
  const job = { key: 'build', id: 'build', name: 'build' }
  await sendEvents(
    0,
    { type: 'run-started', at: 1 },
    { type: 'job-named', at: 1, job },
    { type: 'job-started', at: 1, job: 'build' },
    { type: 'line', at: 1, job: 'build', step: 1, kind: 'output', text: 'hello' },
  )
  const path = `/runs/1/jobs/build?project=${project}`
  const busy = await problemOf(await send('DELETE', path))
  expect(busy).toMatchObject({ status: 503, code: 'busy' })
  await sendEvents(4, {
    type: 'job-finished',
    at: 2,
    job: 'build',
    conclusion: 'success',
    durationMs: 1,
  })
  const reader = await server.token({ project, scope: 'read' })
  expect((await server.send(`/api/v1${path}`, { method: 'DELETE', token: reader })).status).toBe(
    403,
  )
  expect((await send('DELETE', path)).status).toBe(204)
  expect((await send('DELETE', path)).status).toBe(404)
  expect(await jsonOf(await send('GET', `/runs/1?project=${project}`))).toMatchObject({
    record: { jobs: [] },
  })
  expect((await send('GET', `/runs/1/jobs/build/log?project=${project}`)).status).toBe(404)
  expect(await jsonOf(await send('GET', `/artifacts/${id}`))).toMatchObject({ job: 'build' })
  expect(await (await send('GET', `/artifacts/${id}/files/a`)).text()).toBe('content')
})

test('a job without reports for an hour can be deleted even though it never ended', async () => {
  const { project, send } = await senderOf(freshProject())
  const job = { key: 'build', id: 'build', name: 'build' }
  await send('PUT', `/projects/${project}/runs/1/record`, {
    recording: '0'.repeat(32),
    sequence: 0,
    events: [{ type: 'job-named', at: 1, job }],
  })
  const path = `/runs/1/jobs/build?project=${project}`
  expect((await send('DELETE', path)).status).toBe(503)
  server.clock.now += 60 * 60 * 1000
  expect((await send('DELETE', path)).status).toBe(204)
})

describe('gc', () => {
  let own: TestServer
  beforeAll(async () => {
    own = await openServer({ TROVE_MIN_FREE: '0' })
  })
  afterAll(async () => {
    await own.close()
  })

  const readers: [string, (id: number) => Promise<string>][] = [
    ['a download', async (id) => await Promise.resolve(`/api/v1/artifacts/${id}/files/a`)],
    [
      'a document',
      async (artifactId) =>
        await documentPath(own.dataDir, { artifactId, path: 'a', now: own.clock.now }),
    ],
  ]

  test.each(readers)('keeps what %s in progress reads, in every mode', async (_, pathOf) => {
    const project = freshProject()
    const { put, send } = await senderOf(project, own)
    // More than a new connection buffers; a used one may take all of it.
    const content = Buffer.alloc(16 * 1024 * 1024, randomBytes(1024 * 1024))
    const id = await put('1/a', content)
    const headers = { authorization: `Bearer ${await own.token({ project })}` }
    const request = get(new URL(await pathOf(id), own.url), { headers, agent: false })
    const [download] = (await once(request, 'response')) as [IncomingMessage]
    const reader = download[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>
    const pieces = [(await reader.next()).value!]
    await send('DELETE', `/artifacts/${id}`)
    const plan = await runJob(own, 'gc', { now: true, dryRun: true })
    expect(plan).toMatchObject({ freedBytes: 0, waitingBytes: await diskBytes(own.dataDir) })
    const held = await runJob(own, 'gc', { now: true })
    expect(held).toMatchObject({ deletedArtifacts: 0, freedBytes: 0 })
    // It reports what waits, and in which packs.
    expect(held['waitingBytes']).toBe(await diskBytes(own.dataDir))
    expect(held['waitingPacks']).toHaveLength(1)
    for (let next = await reader.next(); next.done !== true; next = await reader.next())
      pieces.push(next.value)
    expect(Buffer.concat(pieces).equals(content)).toBe(true)
    let done = await runJob(own, 'gc', { now: true })
    // The lease ends with the body, a moment after its last byte.
    while (done['deletedArtifacts'] === 0) done = await runJob(own, 'gc', { now: true })
    expect(await diskBytes(own.dataDir)).toBe(0)
  })

  test('frees what its dry run and the deletion announced', async () => {
    const { put, send } = await senderOf(freshProject(), own)
    const id = await put('1/a', randomBytes(300_000))
    await put('1/b', randomBytes(300_000))
    const { freedBytes } = await jsonOf(await send('DELETE', `/artifacts/${id}`))
    const before = await diskBytes(own.dataDir)
    const plan = await runJob(own, 'gc', { now: true, dryRun: true })
    expect(await diskBytes(own.dataDir)).toBe(before)
    const done = await runJob(own, 'gc', { now: true })
    expect(done).toMatchObject({ expired: 0, deletedArtifacts: 1, waitingBytes: 0 })
    expect(before - (await diskBytes(own.dataDir))).toBe(done['freedBytes'])
    expect(Math.abs(Number(done['freedBytes']) - Number(plan['freedBytes']))).toBeLessThan(3000)
    expect(Math.abs(Number(done['freedBytes']) - Number(freedBytes))).toBeLessThan(3000)
  })

  test('requires an administrator', async () => {
    const { send } = await senderOf(freshProject())
    expect((await send('POST', '/admin/gc', {})).status).toBe(403)
    expect((await send('GET', `/admin/jobs/${'0'.repeat(32)}`)).status).toBe(403)
    const token = await server.token({ scope: 'admin' })
    const missing = await server.send(`/api/v1/admin/jobs/${'0'.repeat(32)}`, { token })
    expect(missing.status).toBe(404)
  })
})

describe('expiry', () => {
  test('takes effect on every route in that very millisecond', async () => {
    const { project, put, send } = await senderOf(freshProject())
    const id = await put('1/a', 'content', '?retentionDays=1')
    const expiresAt = server.clock.now + 86_400_000
    server.clock.now = expiresAt
    const gone = {
      status: 410,
      code: 'artifact_expired',
      body: { expiredAt: new Date(expiresAt).toISOString() },
    }
    for (const path of [
      '',
      '/manifest',
      '/directory',
      '/files/a',
      '/archive.zip',
      '/archive.tar.gz',
    ]) {
      expect(await problemOf(await send('GET', `/artifacts/${id}${path}`))).toMatchObject(gone)
    }
    expect(
      await problemOf(await send('PATCH', `/artifacts/${id}`, { pinned: true })),
    ).toMatchObject(gone)
    expect(await problemOf(await send('DELETE', `/artifacts/${id}`))).toMatchObject(gone)
    expect(await jsonOf(await send('GET', '/artifacts'))).toMatchObject({ items: [] })
    expect((await send('POST', `/artifacts/${id}/undelete`)).status).toBe(404)
    // Also when garbage collection notices later.
    server.clock.now += 60_000
    await runJob(server, 'gc')
    expect(await problemOf(await send('POST', `/artifacts/${id}/undelete`))).toMatchObject(gone)
    expect(
      await problemOf(await send('GET', `/runs/1/archive.zip?project=${project}`)),
    ).toMatchObject(gone)
    const repo = await server.token({ project, expiresInSeconds: 400 * 86_400 })
    const rest = `/repos/${project}/actions/artifacts/${id}`
    expect(await jsonOf(await server.send(rest, { token: repo }))).toMatchObject({ expired: true })
    expect((await server.send(`${rest}/zip`, { token: repo })).status).toBe(410)
  })

  test("follows the project's setting within the bounds of the server", async () => {
    const { project, put, send } = await senderOf(freshProject())
    await put('1/first', 'x')
    const token = await server.token({ scope: 'admin' })
    const path = `/api/v1/projects/${project}`
    const json = { retentionDays: 7, retentionMaxDays: 30 }
    const changed = await server.send(path, { method: 'PATCH', json, token })
    expect(await jsonOf(changed)).toMatchObject({ ...json, onConflict: null, quotaBytes: null })
    const daysOf = async (id: number): Promise<number> => {
      const { createdAt, expiresAt } = await jsonOf(await send('GET', `/artifacts/${id}`))
      return (Date.parse(String(expiresAt)) - Date.parse(String(createdAt))) / 86_400_000
    }
    expect(await daysOf(await put('1/default', 'a', '?retentionDays=0'))).toBe(7)
    expect(await daysOf(await put('1/longer', 'b', '?retentionDays=90'))).toBe(30)
    expect(await daysOf(await put('1/shorter', 'c', '?retentionDays=2'))).toBe(2)
  })
})

// The clock advances while the freed bytes are counted.
test('a deletion reports its instant and the end of undo to the millisecond', async () => {
  const own = await ownServer()
  const ids = [await own.put('1/a'), await own.put('1/b')]
  const token = await own.token({ expiresInSeconds: 3600 })
  let now = Date.now()
  Object.defineProperty(own.clock, 'now', { get: () => (now += 5) })
  const path = `/api/v1/artifacts/${ids[0]}`
  const one = await (await own.send(path, { method: 'DELETE', token })).json()
  const { body } = await problemOf(await own.send(path, { token }))
  expect(one).toMatchObject({ deletedAt: body['deletedAt'] })
  const json = { ids: ids.slice(1) }
  const bulk = { method: 'POST', json, token }
  const many = await (await own.send('/api/v1/artifacts/bulk-delete', bulk)).json()
  const { body: other } = await problemOf(await own.send(`/api/v1/artifacts/${ids[1]}`, { token }))
  const undoUntil = new Date(Date.parse(String(other['deletedAt'])) + 3_600_000).toISOString()
  expect(many).toMatchObject({ undoUntil })
})

describe('retention', () => {
  const daysOf = async (send: Sender['send'], id: number): Promise<number> => {
    const { createdAt, expiresAt } = await jsonOf(await send('GET', `/artifacts/${id}`))
    return (Date.parse(String(expiresAt)) - Date.parse(String(createdAt))) / 86_400_000
  }

  test('is within the bounds of the server, and counts from the upload, not from the start of the run', async () => {
    const own = await ownServer({
      TROVE_RETENTION_MIN: '3d',
      TROVE_RETENTION_DAYS: '5',
      TROVE_RETENTION_MAX_DAYS: '10',
    })
    const { put, send } = await senderOf(freshProject(), own)
    expect(await daysOf(send, await put('1/short', 'a', '?retentionDays=1'))).toBe(3)
    expect(await daysOf(send, await put('1/none', 'b'))).toBe(5)
    own.clock.now += 4 * 86_400_000
    expect(await daysOf(send, await put('1/zero', 'c', '?retentionDays=0'))).toBe(5)
    const late = await put('1/long', 'd', '?retentionDays=90')
    expect(await daysOf(send, late)).toBe(10)
    const { createdAt } = await jsonOf(await send('GET', `/artifacts/${late}`))
    expect(Date.parse(String(createdAt))).toBe(own.clock.now)
  })

  test('of a project applies to its first upload if set before', async () => {
    const { project, put, send } = await senderOf(freshProject())
    const path = `/api/v1/projects/${project}`
    const json = { retentionMinDays: 10, retentionMaxDays: 30 }
    const strangers = await server.token({ project, scope: 'write' })
    const refused = await server.send(path, { method: 'PATCH', json, token: strangers })
    expect(refused.status).toBe(404)
    const token = await server.token({ scope: 'admin' })
    const nonsense = { retentionMinDays: 40, retentionMaxDays: 30 }
    const change = async (body: object): Promise<number> =>
      (await server.send(path, { method: 'PATCH', json: body, token })).status
    expect([await change(nonsense), await change(json)]).toEqual([400, 200])
    expect(await daysOf(send, await put('1/short', 'a', '?retentionDays=2'))).toBe(10)
  })

  test('of a project has a minimum too, and contradictory settings are rejected', async () => {
    const { project, put, send } = await senderOf(freshProject())
    await put('1/first', 'x')
    const token = await server.token({ scope: 'admin' })
    const change = async (json: object): Promise<Response> =>
      await server.send(`/api/v1/projects/${project}`, { method: 'PATCH', json, token })
    expect((await change({ retentionMinDays: 10, retentionMaxDays: 30 })).status).toBe(200)
    expect(await daysOf(send, await put('1/short', 'a', '?retentionDays=2'))).toBe(10)
    expect(await daysOf(send, await put('1/default', 'b'))).toBe(30)
    for (const [json, field] of [
      [{ retentionMaxDays: 9 }, 'retentionMinDays'],
      [{ retentionDays: 31 }, 'retentionDays'],
      [{ retentionDays: 9 }, 'retentionDays'],
    ] as const) {
      const refused = await problemOf(await change(json))
      expect(refused).toMatchObject({ status: 400, code: 'invalid_request', body: { field } })
    }
    expect((await change({ retentionMinDays: null, retentionMaxDays: null })).status).toBe(200)
    expect(await daysOf(send, await put('1/again', 'c'))).toBe(90)
  })
})

describe('quotas', () => {
  test('of a project limit its live logical bytes; deleting frees quota at once', async () => {
    const own = await ownServer({ TROVE_PROJECT_QUOTA: '100KB' })
    const { project, put, send } = await senderOf(freshProject(), own)
    const id = await put('1/a', randomBytes(60_000))
    const path = `/projects/${project}/runs/1/artifacts/b`
    const token = await own.token({ project })
    const upload = async (): Promise<Response> =>
      await own.send(`/api/v1${path}`, { method: 'PUT', body: randomBytes(60_000), token })
    const refused = await problemOf(await upload())
    expect(refused).toMatchObject({
      status: 413,
      code: 'quota_exceeded',
      body: { limitBytes: 100_000, usedBytes: 120_000, setting: 'TROVE_PROJECT_QUOTA' },
    })
    expect(await jsonOf(await send('GET', '/artifacts'))).toMatchObject({ total: 1 })
    // When nothing more fits, a stock client is told before it sends anything.
    const adminToken = await own.token({ scope: 'admin' })
    const full = { method: 'PATCH', json: { quotaBytes: 60_000 }, token: adminToken }
    await own.send(`/api/v1/projects/${project}`, full)
    const job = await own.token({ project, run: 1, job: 'build', scope: 'job' })
    const create = '/twirp/github.actions.results.api.v1.ArtifactService/CreateArtifact'
    const ids = { workflow_run_backend_id: '1', workflow_job_run_backend_id: 'build' }
    const json4 = { ...ids, name: 'x', version: 4 }
    const told = await own.send(create, { method: 'POST', json: json4, token: job })
    expect([told.status, await jsonOf(told)]).toMatchObject([403, { code: 'resource_exhausted' }])
    await own.send(`/api/v1/projects/${project}`, { ...full, json: { quotaBytes: null } })

    await send('DELETE', `/artifacts/${id}`)
    expect((await upload()).status).toBe(201)
    // A deletion cannot be undone when its quota has been used meanwhile.
    const undone = await problemOf(await send('POST', `/artifacts/${id}/undelete`))
    expect(undone).toMatchObject({
      status: 413,
      code: 'quota_exceeded',
      body: { usedBytes: 120_000 },
    })
    expect(await jsonOf(await send('GET', '/artifacts'))).toMatchObject({ total: 1 })

    const admin = await own.token({ scope: 'admin' })
    const json = { quotaBytes: 200_000 }
    await own.send(`/api/v1/projects/${project}`, { method: 'PATCH', json, token: admin })
    expect((await send('POST', `/artifacts/${id}/undelete`)).status).toBe(200)
    await put('1/c', randomBytes(60_000))
  })

  test('of the store limit all projects together', async () => {
    const own = await ownServer({ TROVE_STORE_QUOTA: '100KB' })
    await (await senderOf('octo/one', own)).put('1/a', randomBytes(60_000))
    const two = await own.token({ project: 'octo/two' })
    const path = '/api/v1/projects/octo/two/runs/1/artifacts/a'
    const refused = await own.send(path, { method: 'PUT', body: randomBytes(60_000), token: two })
    expect(await problemOf(refused)).toMatchObject({
      code: 'quota_exceeded',
      body: { scope: 'the store' },
    })
  })
})

test('below the minimum of free disk space, uploads are rejected while reads and deletions work', async () => {
  const full = await ownServer({ TROVE_MIN_FREE: '1000TiB' })
  const token = await full.token()
  const path = '/api/v1/projects/octo/app/runs/1/artifacts/a'
  const refused = await full.send(path, { method: 'PUT', body: 'content', token })
  expect(await problemOf(refused)).toMatchObject({ status: 507, code: 'storage_full' })
  const twirp = '/twirp/github.actions.results.api.v1.ArtifactService/CreateArtifact'
  const create = await full.send(twirp, { method: 'POST', json: {}, token })
  expect([create.status, await jsonOf(create)]).toMatchObject([
    507,
    { code: 'resource_exhausted', msg: expect.stringContaining('TROVE_MIN_FREE') as string },
  ])
  const admin = await full.token({ scope: 'admin' })
  expect((await full.send('/api/v1/stats', { token: admin })).status).toBe(200)
  expect((await full.send('/blob/artifacts/x', { method: 'PUT', body: 'x' })).status).toBe(507)
  const json = { project: 'octo/app', run: 1, name: 'a' }
  for (const question of ['/check', '']) {
    const sent = { method: 'POST', json, token }
    expect((await full.send(`/api/v1/uploads${question}`, sent)).status).toBe(507)
  }
  const metrics = await (await full.send('/metrics')).text()
  expect(metrics).toContain('trove_failures_total{code="storage_full"} 5\n')
})
