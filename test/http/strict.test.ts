/** Strict projects: a job may replace and delete only its own artifacts, on every route. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { callerOf } from '../actions/rig.ts'
import { openServer, openSharedServer, problemOf } from './open-server.ts'
import { testDirectory } from '../temporary-directory.ts'

const server = await openSharedServer({ TROVE_MIN_FREE: '0' })
let projects = 0

interface StrictProject {
  project: string
  /** The artifact `dist`, made by job `build` in run 1. */
  held: number
  tokenOf(job: string): Promise<string>
  put(name: string, token: string, query?: string): Promise<Response>
  remove(id: number, token: string): Promise<Response>
}

async function strictProject(policy: object = { strict: true }): Promise<StrictProject> {
  projects += 1
  const project = `octo/strict-${projects}`
  const tokenOf = async (job: string): Promise<string> =>
    await server.token({ project, scope: 'job', run: 1, job })
  const put = async (name: string, token: string, query = ''): Promise<Response> =>
    await server.send(`/api/v1/projects/${project}/runs/1/artifacts/${name}${query}`, {
      method: 'PUT',
      body: `by ${query} at ${Math.random()}`,
      token,
    })
  const made = await put('dist', await tokenOf('build'))
  const { id: held } = (await made.json()) as { id: number }
  const admin = await server.token({ project: undefined, scope: 'admin' })
  const path = `/api/v1/projects/${project}`
  const set = await server.send(path, { method: 'PATCH', json: policy, token: admin })
  expect(await set.json()).toMatchObject(policy)
  const remove = async (id: number, token: string): Promise<Response> =>
    await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE', token })
  return { project, held, tokenOf, put, remove }
}

const refusal = (id: number): object => ({
  status: 403,
  code: 'forbidden',
  body: { detail: expect.stringContaining(`artifact ${id} was made by job build`) as string },
})

describe('replacing', () => {
  test('is allowed to the job that made it and to a person, but not to another job of the run', async () => {
    const { project, held, tokenOf, put } = await strictProject()
    const other = await put('dist', await tokenOf('test'), '?overwrite=true')
    expect(await problemOf(other)).toMatchObject(refusal(held))
    const own = await put('dist', await tokenOf('build'), '?overwrite=true')
    expect(own.status).toBe(201)
    const person = await put('dist', await server.token({ project }), '?overwrite=true')
    expect(person.status).toBe(201)
  })

  test('with `trove upload --overwrite` is rejected before anything is sent', async () => {
    const { project, held, tokenOf } = await strictProject()
    const directory = testDirectory()
    await writeFile(join(directory, 'a'), 'content')
    const upload = async (job: string) => {
      const client = createClient({
        url: server.url,
        token: await tokenOf(job),
        cacheDir: null,
      })
      const source = { kind: 'patterns', patterns: ['.'], directory } as const
      return await client.upload({ project, run: 1, name: 'dist', source, overwrite: true })
    }
    await expect(upload('test')).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining(`artifact ${held} was made by job build`) as string,
    })
    expect((await upload('build')).artifact.id).toBeGreaterThan(held)
  })

  test('is restricted for stock clients too, if the project replaces names', async () => {
    const { tokenOf } = await strictProject({ strict: true, onConflict: 'replace' })
    const create = async (job: string) =>
      await callerOf(server.url, await tokenOf(job), 'test').twirp('CreateArtifact', {
        name: 'dist',
        version: 4,
      })
    expect(await create('test')).toMatchObject({ status: 403, body: { code: 'permission_denied' } })
    expect(await create('build')).toMatchObject({ status: 200 })
  })
})

describe('recording a run', () => {
  const events = [{ type: 'job-named', at: 1, job: { key: 'a', id: 'a', name: 'a' } }]

  async function recorder(policy?: object) {
    const { project, tokenOf } = await strictProject(policy)
    const record = async (token: string, recording: string, sequence = 0) =>
      await problemOf(
        await server.send(`/api/v1/projects/${project}/runs/1/record?attempt=1`, {
          method: 'PUT',
          token,
          json: { recording: recording.repeat(32), sequence, events },
        }),
      )
    return { project, tokenOf, record }
  }
  const refused = {
    status: 403,
    body: { detail: expect.stringContaining('recorded by job __record') as string },
  }

  test('is allowed to the job that began it, and to persons', async () => {
    const { project, tokenOf, record } = await recorder()
    const own = await tokenOf('__record')
    expect(await record(own, 'a')).toMatchObject({ status: 200 })
    const other = await tokenOf('test')
    expect(await record(other, 'b')).toMatchObject(refused)
    // Nor may it append to a recording whose id it found out.
    expect(await record(other, 'a', 1)).toMatchObject(refused)
    expect(await record(own, 'a', 1)).toMatchObject({ status: 200 })
    expect(await record(own, 'c')).toMatchObject({ status: 200 })
    expect(await record(await server.token({ project }), 'd')).toMatchObject({ status: 200 })
    expect(await record(own, 'e')).toMatchObject({
      status: 403,
      body: { detail: expect.stringContaining('recorded by a token without a job') as string },
    })
  })

  test('is allowed to all jobs of the run if the project is not strict', async () => {
    const { tokenOf, record } = await recorder({ strict: false })
    expect(await record(await tokenOf('__record'), 'a')).toMatchObject({ status: 200 })
    expect(await record(await tokenOf('test'), 'b')).toMatchObject({ status: 200 })
  })
})

describe('deleting', () => {
  test('one artifact is allowed to its own job, but not to another', async () => {
    const { held, tokenOf, remove } = await strictProject()
    expect(await problemOf(await remove(held, await tokenOf('test')))).toMatchObject(refusal(held))
    expect((await remove(held, await tokenOf('build'))).status).toBe(200)
  })

  test('is restricted for the stock client that overwrites', async () => {
    const { tokenOf } = await strictProject()
    const remove = async (job: string) =>
      await callerOf(server.url, await tokenOf(job), 'test').twirp('DeleteArtifact', {
        name: 'dist',
      })
    expect(await remove('test')).toMatchObject({ status: 403 })
    expect(await remove('build')).toMatchObject({ status: 200 })
  })

  test('by filter leaves out what other jobs made, and deleting a run requires a person', async () => {
    const { project, held, tokenOf, put } = await strictProject()
    const token = await tokenOf('test')
    const own = ((await (await put('report', token)).json()) as { id: number }).id
    const bulk = await server.send('/api/v1/artifacts/bulk-delete', {
      method: 'POST',
      json: { filter: { run: 1 } },
      token,
    })
    expect(await bulk.json()).toMatchObject({ items: [{ id: own }] })
    const run = async (as: string) =>
      await server.send(`/api/v1/runs/1?project=${project}`, { method: 'DELETE', token: as })
    expect((await run(token)).status).toBe(403)
    const all = await run(await server.token({ project }))
    expect(await all.json()).toMatchObject({ items: [{ id: held }] })
  })
})

test("a project that is not strict lets jobs of a run merge and overwrite; null means the server's setting", async () => {
  const { held, tokenOf, put, remove } = await strictProject({ strict: null })
  expect((await put('dist', await tokenOf('test'), '?overwrite=true')).status).toBe(201)
  const gone = await problemOf(await remove(held, await tokenOf('test')))
  expect(gone).toMatchObject({ status: 410 })
  const strict = await openServer({ TROVE_STRICT: 'on' })
  try {
    const tokenFor = async (job: string) => await strict.token({ scope: 'job', run: 1, job })
    const id = await strict.put('1/dist', { token: await tokenFor('build') })
    const other = { method: 'DELETE', token: await tokenFor('test') }
    const refused = await strict.send(`/api/v1/artifacts/${id}`, other)
    expect(await problemOf(refused)).toMatchObject(refusal(id))
  } finally {
    await strict.close()
  }
})
