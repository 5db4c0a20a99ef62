/** Artifacts that a person keeps: no upload replaces them and no job deletes them. */
import { expect, test } from 'vitest'
import { callerOf } from '../actions/rig.ts'
import { openSharedServer, problemOf } from './open-server.ts'

const server = await openSharedServer()
let projects = 0

interface KeptProject {
  project: string
  person: string
  job: string
  /** The kept artifact `dist` of run 1. */
  held: number
  put(token: string): Promise<Response>
  remove(token: string): Promise<Response>
  isLive(): Promise<boolean>
}

async function keptProject(policy: object = {}): Promise<KeptProject> {
  projects += 1
  const project = `octo/kept-${projects}`
  const person = await server.token({ project })
  const job = await server.token({ project, scope: 'job', run: 1, job: 'build' })
  const put = async (token: string): Promise<Response> =>
    await server.send(`/api/v1/projects/${project}/runs/1/artifacts/dist?overwrite=true`, {
      method: 'PUT',
      body: `at ${Math.random()}`,
      token,
    })
  const { id: held } = (await (await put(job)).json()) as { id: number }
  const path = `/api/v1/artifacts/${held}`
  const keep = { method: 'PATCH', json: { pinned: true }, token: person }
  expect((await server.send(path, keep)).status).toBe(200)
  const admin = await server.token({ project: undefined, scope: 'admin' })
  await server.send(`/api/v1/projects/${project}`, { method: 'PATCH', json: policy, token: admin })
  return {
    project,
    person,
    job,
    held,
    put,
    remove: async (token) => await server.send(path, { method: 'DELETE', token }),
    isLive: async () => (await server.send(path, { token: person })).status === 200,
  }
}

const refusal = (id: number): object => ({
  status: 403,
  body: { detail: expect.stringContaining(`artifact ${id} is kept`) as string },
})

test('a kept artifact is replaced by nobody, and deleted by a person but by no job', async () => {
  const { person, job, held, put, remove, isLive } = await keptProject()
  expect(await problemOf(await put(job))).toMatchObject(refusal(held))
  expect(await problemOf(await put(person))).toMatchObject(refusal(held))
  expect(await problemOf(await remove(job))).toMatchObject(refusal(held))
  expect(await isLive()).toBe(true)
  expect((await remove(person)).status).toBe(200)
  expect(await isLive()).toBe(false)
})

test.each([
  ['DeleteArtifact', {}],
  ['CreateArtifact', { onConflict: 'replace' }],
])('%s of a stock client leaves a kept artifact, and says why', async (method, policy) => {
  const { job, held, isLive } = await keptProject(policy)
  const call = callerOf(server.url, job, 'build').twirp(method, { name: 'dist', version: 4 })
  expect(await call).toMatchObject({
    status: 403,
    body: { msg: expect.stringContaining(`artifact ${held} is kept`) as string },
  })
  expect(await isLive()).toBe(true)
})

test('a negotiated upload that would replace a kept artifact is rejected at its offer', async () => {
  const { project, job, held } = await keptProject()
  const digest = `sha256:${'1'.repeat(64)}`
  const offered = await server.send('/api/v1/uploads', {
    method: 'POST',
    token: job,
    json: {
      project,
      run: 1,
      name: 'dist',
      overwrite: true,
      treeDigest: digest,
      timesDigest: digest,
      entryCount: 1,
      fileCount: 1,
      logicalBytes: 1,
    },
  })
  expect(await problemOf(offered)).toMatchObject(refusal(held))
})

test('a delete of a whole run is refused while it has a kept artifact, unless that is included', async () => {
  const { project, person, held, isLive } = await keptProject()
  const other = await server.put(`/api/v1/projects/${project}/runs/1/artifacts/other`, {
    token: person,
  })
  const remove = async (query: string): Promise<Response> =>
    await server.send(`/api/v1/runs/1${query}`, { method: 'DELETE', token: person })
  for (const query of ['', '?dryRun'])
    expect(await problemOf(await remove(query))).toMatchObject(refusal(held))
  expect(await isLive()).toBe(true)
  expect((await server.send(`/api/v1/artifacts/${other}`, { token: person })).status).toBe(200)
  const { items } = (await (await remove('?includeKept')).json()) as { items: { id: number }[] }
  expect(items.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual([held, other])
  expect(await isLive()).toBe(false)
})

test('a delete by filter leaves out kept artifacts, and one by id does not', async () => {
  const { project, person, held, isLive } = await keptProject()
  const other = await server.put(`/api/v1/projects/${project}/runs/1/artifacts/other`, {
    token: person,
  })
  const remove = async (json: object): Promise<number[]> => {
    const request = { method: 'POST', token: person, json }
    const answer = await server.send('/api/v1/artifacts/bulk-delete', request)
    const { items } = (await answer.json()) as { items: { id: number }[] }
    return items.map(({ id }) => id)
  }
  const filter = { project, run: 1 }
  expect(await remove({ filter, dryRun: true })).toEqual([other])
  expect(await remove({ filter })).toEqual([other])
  expect(await isLive()).toBe(true)
  expect(await remove({ ids: [held] })).toEqual([held])
})
