/** The audit log: every route that removes something or changes what others rely on is recorded
 *  with its actor, and only permitted tokens read the log. */
import { rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { WireAct } from '../../src/api/audit.ts'
import { dayMs } from '../../src/core/units.ts'
import { openSharedServer, problemOf, type SendRequest } from './open-server.ts'

const server = await openSharedServer()
const form = { 'content-type': 'application/x-www-form-urlencoded' }
const job = { scope: 'job', run: 1, job: 'build' } as const
const admin = { scope: 'admin', project: undefined } as const
let run = 1

interface Page {
  items: WireAct[]
  nextCursor: string | null
}

/** The log as an administrator reads it, newest entry first. */
async function readAudit(query = ''): Promise<Page> {
  const token = await server.token(admin)
  const answer = await server.send(`/api/v1/audit?${query}`, { token })
  expect(answer.status).toBe(200)
  return (await answer.json()) as Page
}

async function newest(): Promise<WireAct> {
  return (await readAudit('limit=1')).items[0]!
}

/** Uploads an artifact, by default in a run of its own. */
async function put(inRun = ++run, request: SendRequest = {}): Promise<number> {
  return await server.put(`${inRun}/build`, { body: `${Math.random()}`, ...request })
}

async function ok(path: string, request: SendRequest): Promise<void> {
  const answer = await server.send(path, request)
  expect([path, answer.status < 400]).toEqual([path, true])
}

async function postForm(path: string, fields: Record<string, string>, visitor = {}): Promise<void> {
  const body = new URLSearchParams(fields).toString()
  const headers = { ...form, origin: server.url }
  const answer = await server.visit(path, visitor, { method: 'POST', body, headers })
  expect([path, answer.status]).toEqual([path, 303])
}

const person = { kind: 'person', run: null, job: null }
const administrator = { kind: 'administrator', run: null, job: null }
const path = (id: number, rest = ''): string => `/api/v1/artifacts/${id}${rest}`
const page = (id: number, rest: string): string =>
  `/octo/app/actions/runs/${run}/artifacts/${id}${rest}`
const twirp = '/twirp/github.actions.results.api.v1.ArtifactService/DeleteArtifact'

/** Actions on one artifact, each with the kind and origin of its log entry. */
const ofArtifacts: [kind: string, origin: string, act: (id: number) => Promise<void>][] = [
  ['keep', 'api', (id) => ok(path(id), { method: 'PATCH', json: { pinned: true } })],
  [
    'release',
    'api',
    async (id) => {
      await ok(path(id), { method: 'PATCH', json: { pinned: true } })
      await ok(path(id), { method: 'PATCH', json: { pinned: false } })
    },
  ],
  ['expire', 'api', (id) => ok(path(id), { method: 'PATCH', json: { expiresInSeconds: 86_400 } })],
  ['delete', 'api', (id) => ok(path(id), { method: 'DELETE' })],
  [
    'delete',
    'api',
    (id) => ok('/api/v1/artifacts/bulk-delete', { method: 'POST', json: { ids: [id] } }),
  ],
  ['delete', 'api', () => ok(`/api/v1/runs/${run}`, { method: 'DELETE' })],
  [
    'restore',
    'api',
    async (id) => {
      await ok(path(id), { method: 'DELETE' })
      await ok(path(id, '/undelete'), { method: 'POST' })
    },
  ],
  ['delete', 'github', (id) => ok(`/repos/octo/app/actions/artifacts/${id}`, { method: 'DELETE' })],
  ['keep', 'page', (id) => postForm(page(id, '/keep'), { pinned: '1' })],
  ['expire', 'page', (id) => postForm(page(id, '/expire'), { days: '3' })],
  ['delete', 'page', (id) => postForm(page(id, '/delete'), {})],
  [
    'restore',
    'page',
    async (id) => {
      await postForm(page(id, '/delete'), {})
      await postForm(page(id, '/undo'), {})
    },
  ],
  ['keep', 'page', (id) => postForm('/octo/app/artifacts', { action: 'keep', id: String(id) })],
  [
    'release',
    'page',
    async (id) => {
      await ok(path(id), { method: 'PATCH', json: { pinned: true } })
      await postForm('/octo/app/artifacts', { action: 'release', id: String(id) })
    },
  ],
  [
    'expire',
    'page',
    (id) => postForm('/octo/app/artifacts', { action: 'extend', days: '5', id: String(id) }),
  ],
  [
    'delete',
    'page',
    (id) => postForm('/octo/app/artifacts', { action: 'delete-confirmed', id: String(id) }),
  ],
  [
    'restore',
    'page',
    async (id) => {
      await ok(path(id), { method: 'DELETE' })
      await postForm('/octo/app/artifacts', { action: 'restore', id: String(id) })
    },
  ],
]

test.each(ofArtifacts)('%s by %s is recorded with its actor', async (kind, origin, act) => {
  const id = await put()
  const { items: before } = await readAudit()
  await act(id)
  const last = await newest()
  expect(last).toMatchObject({
    kind,
    project: 'octo/app',
    artifactIds: [id],
    artifacts: [{ id, name: 'build', run }],
    by: { ...person, origin },
  })
  expect(before.map((each) => each.id)).not.toContain(last.id)
})

test('replacements and deletions by jobs are recorded as theirs', async () => {
  const token = await server.token(job)
  const first = await put(1, { token })
  const overwriting = '/api/v1/projects/octo/app/runs/1/artifacts/build?overwrite=1'
  const answer = await server.send(overwriting, { method: 'PUT', token, body: 'other' })
  const { id: second } = (await answer.json()) as { id: number }
  const by = { kind: 'job', run: 1, job: 'build' }
  expect(await newest()).toMatchObject({
    kind: 'replace',
    artifactIds: [first],
    details: { replacedBy: second },
    by: { ...by, origin: 'api' },
  })
  const ids = { workflow_run_backend_id: '1', workflow_job_run_backend_id: 'build' }
  await ok(twirp, { method: 'POST', token, json: { ...ids, name: 'build' } })
  expect(await newest()).toMatchObject({
    kind: 'delete',
    artifactIds: [second],
    by: { ...by, origin: 'github' },
  })
  const told = (await problemOf(await server.send(path(second)))).body['detail']
  expect(told).toMatch(/^artifact build was deleted by job build of run 1 at 20\S+Z$/)
  const gone = await problemOf(await server.send(path(first)))
  expect(gone.body['detail']).toMatch(/ was replaced by job build of run 1 at /)
  const list = await server.send('/api/v1/artifacts?project=octo/app&state=deleted&run=1')
  expect(await list.json()).toMatchObject({ items: [{ removedBy: by }, { removedBy: by }] })
  const shown = await (await server.visit(`/octo/app/actions/runs/1/artifacts/${second}`)).text()
  expect(shown).toContain('was deleted by job build of run 1')
  expect(shown).toContain(`/octo/app/settings/audit?artifact=${second}`)
})

test('a job that records a run anew is recorded as deleting the other record', async () => {
  const events = [{ type: 'job-named', at: 1, job: { key: 'a', id: 'a', name: 'a' } }]
  const record = async (token: string, recording: string): Promise<void> =>
    await ok('/api/v1/projects/octo/app/runs/7/record', {
      method: 'PUT',
      token,
      json: { recording, sequence: 0, events },
    })
  await record(await server.token({ ...job, run: 7 }), 'a'.repeat(32))
  await record(await server.token({ ...job, run: 7, job: 'other' }), 'b'.repeat(32))
  expect(await newest()).toMatchObject({
    kind: 'delete-run',
    details: { run: 7 },
    by: { kind: 'job', run: 7, job: 'other', origin: 'api' },
  })
})

test('changed settings are recorded in the fields of the API', async () => {
  const token = await server.token(admin)
  const change = { method: 'PATCH', token, json: { strict: false, retentionDays: 7 } }
  await ok('/api/v1/projects/octo/app', change)
  const act = {
    kind: 'settings',
    project: 'octo/app',
    artifactIds: [],
    details: {
      before: { strict: null, retentionDays: null },
      after: { strict: false, retentionDays: 7 },
    },
    by: { ...administrator, origin: 'api' },
  }
  expect(await newest()).toMatchObject(act)
  const { id } = await newest()
  await ok('/api/v1/projects/octo/app', change)
  expect((await newest()).id).toBe(id)
  await postForm('/octo/app/settings', { strict: 'on' }, admin)
  expect(await newest()).toMatchObject({
    details: { before: { strict: false }, after: { strict: true } },
    by: { origin: 'page' },
  })
})

test('long-lived and revoked tokens are recorded by id', async () => {
  const minter = await server.token({ expiresInSeconds: 40 * 86_400 })
  const mint = async (json: object): Promise<string> => {
    const answer = await server.send('/api/v1/tokens', { method: 'POST', token: minter, json })
    return ((await answer.json()) as { token: string }).token
  }
  const token = await mint({ scope: 'read', expiresInSeconds: 30 * 86_400 })
  const minted = await newest()
  expect(minted).toMatchObject({
    kind: 'token',
    project: 'octo/app',
    details: { token: { scope: 'read', run: null, job: null } },
    by: { ...person, origin: 'api' },
  })
  // A short-lived job token is not recorded: there are thousands a day.
  await mint({ run: 5, job: 'test' })
  expect((await newest()).id).toBe(minted.id)
  await mint({ run: 5, job: 'test', expiresInSeconds: 2 * 86_400 })
  expect(await newest()).toMatchObject({ details: { token: { run: 5, job: 'test' } } })
  await ok('/api/v1/tokens/revoke', { method: 'POST', token: null, json: { token } })
  const revoked = await newest()
  expect(revoked).toMatchObject({ kind: 'revoke', project: 'octo/app', by: null })
  expect(revoked.details.token).toEqual(minted.details.token)
  await ok('/api/v1/tokens/revoke', { method: 'POST', token: null, json: { token } })
  expect((await newest()).id).toBe(revoked.id)
  await ok('/api/v1/projects/octo/other/tokens/revoke', {
    method: 'POST',
    token: await server.token({ project: 'octo/other' }),
  })
  expect(await newest()).toMatchObject({ kind: 'revoke-all', project: 'octo/other', by: person })
  const idOf = (act: Awaited<ReturnType<typeof newest>>): string => act.details.token!.id
  const { items: about } = await readAudit(`token=${idOf(minted).slice(0, 8)}`)
  expect(about.map(({ id }) => id)).toEqual([revoked.id, minted.id])
  const [by] = minted.by!.tokenIds
  const { items: did } = await readAudit(`token=${by}`)
  expect(did.map(({ kind }) => kind)).toEqual(['token', 'token'])
  expect((await readAudit('token=00000000')).items).toEqual([])
  const short = await server.send('/api/v1/audit?token=0000', { token: await server.token(admin) })
  expect((await problemOf(short)).status).toBe(400)
  // Neither a token nor a part of one is in the log.
  const all = JSON.stringify(await readAudit('limit=200'))
  expect(all).not.toContain(token.slice(0, 20))
})

test('maintenance by hand is recorded, dry runs are not', async () => {
  const token = await server.token(admin)
  const { id: before } = await newest()
  await ok('/api/v1/admin/gc', { method: 'POST', token, json: { dryRun: true } })
  expect((await newest()).id).toBe(before)
  await ok('/api/v1/admin/gc', { method: 'POST', token, json: { now: true } })
  const by = { ...administrator, origin: 'api' }
  expect(await newest()).toMatchObject({ kind: 'gc', project: null, details: { now: true }, by })
  await postForm('/admin/maintenance', { action: 'scrub' }, admin)
  expect(await newest()).toMatchObject({ kind: 'scrub', by: { ...by, origin: 'page' } })
  const destination = `${server.dataDir}-backup`
  await ok('/api/v1/admin/backup', { method: 'POST', token, json: { destination } })
  expect(await newest()).toMatchObject({ kind: 'backup', details: { destination } })
  await expect
    .poll(async () => await (await server.send('/api/v1/admin/jobs', { token })).text())
    .not.toMatch(/"state":"(running|waiting)"/)
  await rm(destination, { recursive: true, force: true })
})

test('the log is read in pages, and filtered by project, kind, artifact and time', async () => {
  const id = await put()
  await ok(path(id), { method: 'PATCH', json: { pinned: true } })
  server.clock.now += dayMs
  await ok(path(id), { method: 'DELETE' })
  const kinds = async (query: string): Promise<string[]> =>
    (await readAudit(query)).items.map(({ kind }) => kind)
  expect(await kinds(`artifact=${id}`)).toEqual(['delete', 'keep'])
  expect(await kinds(`artifact=${id}&kind=keep`)).toEqual(['keep'])
  const since = new Date(server.clock.now - 1000).toISOString()
  expect(await kinds(`artifact=${id}&since=${since}`)).toEqual(['delete'])
  expect(await kinds(`artifact=${id}&project=octo/other`)).toEqual([])
  const first = await readAudit(`artifact=${id}&limit=1`)
  const second = await readAudit(`artifact=${id}&limit=1&cursor=${first.nextCursor}`)
  expect([first.items[0]?.kind, second.items[0]?.kind]).toEqual(['delete', 'keep'])
  expect(second.nextCursor).toBeNull()
  const token = await server.token(admin)
  expect((await server.send('/api/v1/audit?kind=none', { token })).status).toBe(400)
})

test('the log of a project is for its writers, that of all projects for administrators', async () => {
  const ask = async (request: object, address = '/api/v1/audit'): Promise<number> =>
    (await server.send(address, { token: await server.token(request) })).status
  expect(await ask({})).toBe(200)
  expect(await ask({ scope: 'read' })).toBe(403)
  expect(await ask(job)).toBe(403)
  expect(await ask({ project: 'octo/other' }, '/api/v1/audit?project=octo/app')).toBe(404)
  const own = await server.send('/api/v1/audit', { token: await server.token() })
  const { items } = (await own.json()) as Page
  expect(new Set(items.map(({ project }) => project))).toEqual(new Set(['octo/app']))
  const pages: [string, object, number][] = [
    ['/octo/app/settings/audit', {}, 200],
    ['/octo/app/settings/audit', admin, 200],
    ['/octo/app/settings/audit', { scope: 'read' }, 403],
    ['/octo/app/settings/audit', { project: 'octo/other' }, 404],
    ['/admin/audit', admin, 200],
    ['/admin/audit', {}, 403],
    ['/admin/audit?kind=none', admin, 400],
  ]
  for (const [address, visitor, status] of pages)
    expect([address, (await server.visit(address, visitor)).status]).toEqual([address, status])
})

test('its page links the changed artifact, and not the new value', async () => {
  const id = await put()
  await ok(path(id), { method: 'PATCH', json: { expiresInSeconds: 86_400 } })
  await server.put(`${run}/build?overwrite`, { body: 'another' })
  const text = await (await server.visit(`/octo/app/settings/audit?artifact=${id}`)).text()
  expect(text).toMatch(/changed the expiry of <a [^>]+>build of run \d+<\/a> to 20/)
  expect(text).toMatch(/replaced <a [^>]+>build of run \d+<\/a> by artifact \d+/)
})

test('its page names actor, artifact and origin, and links to earlier entries', async () => {
  const id = await put()
  for (let count = 0; count < 51; count++)
    await ok(path(id), { method: 'PATCH', json: { pinned: count % 2 === 0 } })
  await ok(path(id), { method: 'DELETE' })
  const address = `/octo/app/settings/audit?artifact=${id}`
  const text = await (await server.visit(address)).text()
  expect(text).toContain('a person')
  expect(text).toContain(
    `deleted <a href="/octo/app/actions/runs/${run}/artifacts/${id}">build of run ${run}</a>`,
  )
  const [, earlier = ''] = /href="([^"]+)" rel="next"/.exec(text) ?? []
  const older = await (await server.visit(earlier.replaceAll('&amp;', '&'))).text()
  expect(older.match(/kept <a /g)).toHaveLength(1)
  expect(older.match(/stopped keeping <a /g)).toHaveLength(1)
  expect(older).not.toContain('rel="next"')
})
