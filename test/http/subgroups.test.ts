/** Projects in subgroups, as on GitLab: one name everywhere, one address, and no access from the
 *  groups above. */
import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { openSharedServer, problemOf } from './open-server.ts'

const project = 'acme/platform/api'
const above = 'acme/platform'
const content = 'what the job made'

let id: number
/** Run number of the last upload. */
let idBefore: number
const server = await openSharedServer()
/** Tokens of scope `write`, for `project` and for what looks like the group above it. */
let own: string
let foreign: string
beforeAll(async () => {
  own = await server.token({ project })
  foreign = await server.token({ project: above })
  const path = '/api/v1/projects/acme~platform/api/runs/12/artifacts/dist?branch=main'
  const before = { token: own, body: `${content}, before` }
  idBefore = await server.put(path.replace('runs/12', 'runs/11'), before)
  id = await server.put(path, { token: own, body: content })
  const other = '/api/v1/projects/acme/platform/runs/12/artifacts/dist?branch=main'
  await server.put(other, { token: foreign, body: content })
})

async function read(path: string, token = own): Promise<unknown> {
  return await (await server.send(path, { token })).json()
}

describe('the API', () => {
  test('uses the name in messages and parameters, and the address in links', async () => {
    const links = { html: `${server.url}/acme~platform/api/actions/runs/12/artifacts/${id}` }
    expect(await read(`/api/v1/artifacts?project=${project}`)).toMatchObject({
      items: [
        { id, project, links },
        { id: idBefore, project },
      ],
    })
    for (const path of ['stats', 'runs/12', 'runs/12/archive.zip'])
      expect((await server.send(`/api/v1/${path}?project=${project}`, { token: own })).status).toBe(
        200,
      )
    const compare = `/api/v1/compare?base=${project}@11/dist&head=${project}@12/dist`
    expect(await read(compare)).toMatchObject({ base: { id: idBefore }, head: { id } })
  })

  test('finds files by digest in that project alone', async () => {
    const digest = createHash('sha256').update(content).digest('hex')
    const path = `/api/v1/digests/sha256:${digest}`
    for (const query of ['', `?project=${project}`])
      expect(await read(path + query)).toMatchObject({ items: [{ id, project }] })
  })

  test("of GitHub's clients has the address in two segments, in links too", async () => {
    const base = '/repos/acme~platform/api/actions'
    const url = `${server.url}${base}/artifacts/${id}`
    expect(await read(`${base}/runs/12/artifacts`)).toMatchObject({
      total_count: 1,
      artifacts: [{ url, archive_download_url: `${url}/zip` }],
    })
    expect((await server.send(`${base}/artifacts/${id}/zip`, { token: own })).status).toBe(302)
  })

  test('changes its settings, and its quota applies', async () => {
    const admin = await server.token({ scope: 'admin' })
    const path = '/api/v1/projects/acme~platform/limited'
    const limited = await server.token({ project: 'acme/platform/limited' })
    const json = { quotaBytes: 10 }
    const changed = await server.send(path, { method: 'PATCH', json, token: admin })
    expect(await changed.json()).toMatchObject({ name: 'acme/platform/limited', quotaBytes: 10 })
    const upload = { method: 'PUT', body: content, token: limited }
    const refused = await server.send(`${path}/runs/1/artifacts/a`, upload)
    expect(await problemOf(refused)).toMatchObject({
      code: 'quota_exceeded',
      body: { scope: 'project acme/platform/limited' },
    })
  })

  test('deletes by reference and by filter', async () => {
    const path = '/api/v1/projects/acme~platform/old/runs/1/artifacts'
    const token = await server.token({ project: 'acme/platform/old' })
    const first = await server.put(`${path}/a`, { token })
    await server.put(`${path}/b`, { token })
    const remove = { method: 'DELETE', token }
    expect((await server.send(`/api/v1/artifacts/${first}`, remove)).status).toBe(200)
    const json = { filter: { project: 'acme/platform/old', run: 1 } }
    const bulk = { method: 'POST', json, token }
    expect((await server.send('/api/v1/artifacts/bulk-delete', bulk)).status).toBe(200)
    expect(await read('/api/v1/artifacts', token)).toMatchObject({ total: 0 })
  })

  test('rejects other spellings of the name', async () => {
    for (const path of [
      'stats?project=acme~platform/api',
      'artifacts?project=acme~platform/api',
      'compare?base=acme~platform/api@11/dist&head=12/dist',
    ]) {
      const answer = await problemOf(await server.send(`/api/v1/${path}`, { token: own }))
      expect(answer).toMatchObject({
        status: 422,
        code: 'invalid_name',
        body: { detail: expect.stringContaining('write acme/platform/api') as string },
      })
    }
    const put = { method: 'PUT', body: content, token: own }
    for (const place of ['acme%2Fplatform/api', 'acme/platform%2Fapi', 'acme/platform~api']) {
      const path = `/api/v1/projects/${place}/runs/1/artifacts/x`
      expect(await problemOf(await server.send(path, put))).toMatchObject({ code: 'invalid_name' })
    }
    const unescaped = await server.send(`/api/v1/projects/${project}/runs/1/artifacts/x`, put)
    expect(await problemOf(unescaped)).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining('acme~platform/api') as string },
    })
    // Escaped, but the same characters to every URL parser.
    await server.put('/api/v1/projects/acme%7Eplatform/api/runs/13/artifacts/x', { token: own })
  })
})

test.each([
  ['the group above', above, 'acme~platform/api', project],
  ['a project below', project, 'acme/platform', above],
])('a token of %s gives no access', async (_, held, place, name) => {
  const token = await server.token({ project: held })
  const job = await server.token({ project: held, run: 12, job: 'build', scope: 'job' })
  for (const bearer of [token, job]) {
    const put = { method: 'PUT', body: content, token: bearer }
    const upload = `/api/v1/projects/${place}/runs/12/artifacts/mine`
    expect((await server.send(upload, put)).status).toBe(404)
    for (const path of [
      `/api/v1/artifacts?project=${name}`,
      `/api/v1/stats?project=${name}`,
      `/api/v1/runs/12?project=${name}`,
      `/repos/${place}/actions/artifacts`,
      `/repos/${place}/actions/runs/12/artifacts`,
      `/${place}`,
      `/${place}/artifacts`,
      `/${place}/actions/runs/12`,
    ]) {
      expect([path, (await server.send(path, { token: bearer })).status]).toEqual([path, 404])
    }
  }
})

describe('pages', () => {
  const root = '/acme~platform/api'

  async function open(path: string): Promise<{ status: number; text: string; headers: Headers }> {
    const cookie = `trove_session=${await server.token({ project }, 'session')}`
    const response = await server.send(path, { token: null, headers: { cookie } })
    return { status: response.status, text: await response.text(), headers: response.headers }
  }

  test('show the name, and link to each other by the address', async () => {
    const waiting = ['/', root]
    const seen = new Set<string>()
    while (waiting.length > 0) {
      const path = waiting.pop()!
      if (seen.has(path)) continue
      seen.add(path)
      const { status, text } = await open(path)
      expect([path, status < 400]).toEqual([path, true])
      expect(text).not.toContain('href="/acme/platform')
      expect(text).not.toContain('action="/acme/platform')
      for (const [, link = ''] of text.matchAll(/ href="(\/acme[^"?#]*)/g)) waiting.push(link)
    }
    const artifact = `${root}/actions/runs/12/artifacts/${id}`
    expect([...seen]).toEqual(
      expect.arrayContaining([
        `${root}/artifacts`,
        `${root}/trends`,
        `${root}/storage`,
        `${root}/upload`,
        `${root}/actions/runs/12`,
        artifact,
        `${artifact}/details`,
        `${artifact}/blob/dist`,
      ]),
    )
    for (const path of ['/', root, artifact]) expect((await open(path)).text).toContain(project)
  })

  test('lead to the newest of a branch, and offer a list that can be saved as a file', async () => {
    const latest = await open(`${root}/latest/main/dist`)
    expect(latest.headers.get('location')).toBe(`${root}/actions/runs/12/artifacts/${id}`)
    const csv = await open(`${root}/artifacts?format=csv`)
    expect(csv.headers.get('content-disposition')).toContain('"artifacts-acme-platform-api.csv"')
  })
})
