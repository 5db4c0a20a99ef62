/** Keeping the latest artifacts, from the setting to what users see
 *  (test/metadata/keep-latest.test.ts covers the rules). */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { dayMs } from '../../src/core/units.ts'
import { readServerConfig } from '../../src/config/config.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import type { Environment } from '../../src/config/settings.ts'
import { seedArtifact, seedRun } from '../metadata/seed.ts'
import { openServer, problemOf, type TestServer } from './open-server.ts'

let server: TestServer
async function start(environment: Environment = {}, dataDir?: string): Promise<void> {
  server = await openServer(environment, dataDir)
  onTestFinished(server.close)
}

let runs = 0
/** Uploads an artifact of that name as a job on that branch, in a run of its own; returns the
 *  artifact. */
async function upload(branch = 'main', name = 'build'): Promise<{ id: number }> {
  runs += 1
  const token = await server.token({ scope: 'job', run: runs, job: 'build', branch })
  const path = `/api/v1/projects/octo/app/runs/${runs}/artifacts/${name}`
  const made = await server.send(path, { method: 'PUT', body: `content ${runs}`, token })
  expect(made.status).toBe(201)
  return (await made.json()) as { id: number }
}

async function setPolicy(policy: object): Promise<Response> {
  const token = await server.token({ project: undefined, scope: 'admin' })
  const path = '/api/v1/projects/octo/app'
  return await server.send(path, { method: 'PATCH', json: policy, token })
}

const later = (days: number): void => {
  server.clock.now += days * dayMs
}
const read = async (path: string): Promise<unknown> => await (await server.send(path)).json()

describe('a project that keeps the latest', () => {
  test('serves it past its expiry, and the previous latest for a day', async () => {
    await start()
    const first = await upload()
    const set = await setPolicy({ keepLatest: ['main/build'] })
    expect(await set.json()).toMatchObject({ keepLatest: ['main/build'] })
    later(200)
    const kept = { id: first.id, state: 'available', keptLatest: true, pinned: false }
    expect(await read(`/api/v1/artifacts/${first.id}`)).toMatchObject(kept)
    expect(await read('/api/v1/artifacts?project=octo/app&branch=main&name=build')).toMatchObject({
      items: [kept],
    })
    expect((await server.send(`/api/v1/artifacts/${first.id}/archive.zip`)).status).toBe(200)
    expect(await read('/repos/octo/app/actions/artifacts')).toMatchObject({
      artifacts: [{ id: first.id, expired: false }],
    })

    expect(await upload()).toMatchObject({ keptLatest: true })
    const replacedAt = server.clock.now
    later(0.9)
    expect((await server.send(`/api/v1/artifacts/${first.id}/archive.zip`)).status).toBe(200)
    later(0.2)
    const gone = await server.send(`/api/v1/artifacts/${first.id}/archive.zip`)
    expect(await problemOf(gone)).toMatchObject({
      status: 410,
      code: 'artifact_expired',
      body: { expiredAt: new Date(replacedAt + dayMs).toISOString() },
    })
  })

  test('does not delete it by age, which is for what would have expired, but by its branch', async () => {
    await start({ TROVE_KEEP_LATEST: 'main/build' })
    const first = await upload()
    const latest = await upload()
    later(20)
    const remove = async (filter: object): Promise<unknown> => {
      const request = { method: 'POST', json: { filter } } as const
      return await (await server.send('/api/v1/artifacts/bulk-delete', request)).json()
    }
    const createdBefore = new Date(server.clock.now).toISOString()
    expect(await remove({ createdBefore })).toMatchObject({ items: [{ id: first.id }] })
    expect(await remove({ branch: 'main' })).toMatchObject({ items: [{ id: latest.id }] })
  })

  test('shows the setting on its pages, where it can be changed', async () => {
    await start({ TROVE_KEEP_LATEST: 'main/docs' })
    const { id } = await upload()
    const token = await server.token({ project: undefined, scope: 'admin' })
    const page = '/octo/app/settings/retention'
    const text = async (path: string): Promise<string> =>
      (await (await server.send(path, { token })).text()).replaceAll(/<[^>]*>/g, '')
    expect(await text(page)).toContain(
      'The latest main/docs does not expire until there is a newer one (set on the server: TROVE_KEEP_LATEST): 0 artifacts',
    )
    const change = async (form: Record<string, string>): Promise<Response> =>
      await server.send(page, {
        method: 'POST',
        token,
        body: new URLSearchParams(form).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded', origin: server.url },
      })
    const own = { latestFrom: 'project', keepLatest: ' main/build\r\n\r\nrelease/*/build ' }
    expect((await change(own)).status).toBe(303)
    expect(await text(page)).toContain(
      'The latest main/build, release/*/build does not expire until there is a newer one (set for this project): 1 artifact',
    )
    expect(await text('/octo/app/artifacts?pinned=latest')).toContain('when a newer one exists')
    expect(await text('/octo/app/artifacts?pinned=0')).toContain('No artifacts match')
    const shown = await text(`/octo/app/actions/runs/${runs}/artifacts/${id}`)
    expect(shown).toContain('It is kept until its branch has a newer one.')

    expect((await change({ latestFrom: 'project', keepLatest: '' })).status).toBe(303)
    expect(await text(page)).toContain('No artifacts are kept as the latest (set for this project')
    expect((await change({ ...own, keepLatest: 'build' })).status).toBe(400)
    expect((await change({ latestFrom: 'server' })).status).toBe(303)
    expect(await text(page)).toContain('The latest main/docs')
  })

  test('rejects patterns that can match nothing or are not globs, and keeps its setting', async () => {
    await start()
    await upload()
    await setPolicy({ keepLatest: ['main/*'] })
    const many = Array.from({ length: 21 }, (_, index) => `main/${index}`)
    for (const keepLatest of [['build'], ['main/'], ['/build'], ['!main/build'], many, 'main/x']) {
      const problem = await problemOf(await setPolicy({ keepLatest }))
      expect(problem).toMatchObject({
        status: 400,
        code: 'invalid_request',
        body: { field: 'keepLatest' },
      })
    }
    expect(await (await setPolicy({})).json()).toMatchObject({ keepLatest: ['main/*'] })
  })
})

describe('a server that keeps the latest', () => {
  test('applies the setting from its next start on, to existing artifacts too', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'trove-'))
    const metadata = openSqliteMetadata({ path: join(dataDir, 'trove.db') })
    const run = await seedRun(metadata, { project: 'octo/app', branch: 'release/2' })
    const { id } = await seedArtifact(metadata, run, { a: 'content' }, { expiresAt: 1e14 })
    await metadata.close()
    await start({ TROVE_KEEP_LATEST: 'main/* release/*/dist' }, dataDir)
    expect(await read(`/api/v1/artifacts/${id}`)).toMatchObject({ keptLatest: true })
  })

  test('reports an invalid setting', async () => {
    const refused = (): unknown => readServerConfig({}, { TROVE_KEEP_LATEST: 'main/build develop' })
    expect(refused).toThrow(/^TROVE_KEEP_LATEST is invalid: "develop" must be BRANCH\/NAME$/)
    expect(readServerConfig({}, { TROVE_KEEP_LATEST: ' ' }).keepLatest).toEqual([])
  })
})
