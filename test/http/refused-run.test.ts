/** An upload that is refused or breaks off shows no run, neither on pages nor in GitHub's lists,
 *  and no project. */
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { callerOf } from '../actions/rig.ts'
import { openSharedServer } from './open-server.ts'

const server = await openSharedServer({ TROVE_STORE_QUOTA: '1000', TROVE_MAX_ARTIFACT: '2000' })
const runs = '/api/v1/projects/octo/app/runs'

async function listedRuns(): Promise<number[]> {
  const answer = await server.send('/repos/octo/app/actions/runs')
  const { workflow_runs: listed } = (await answer.json()) as { workflow_runs: { id: number }[] }
  const page = await server.page('/octo/app')
  const ids = listed.map(({ id }) => id)
  for (let run = 1; run <= 9; run++)
    expect(new RegExp(`/octo/app/actions/runs/${run}["/]`).test(page)).toBe(ids.includes(run))
  return ids
}

async function putStatus(run: number, name: string, bytes: number): Promise<number> {
  const body = randomBytes(bytes)
  return (await server.send(`${runs}/${run}/artifacts/${name}`, { method: 'PUT', body })).status
}

/** Sends a part of the body of an upload, then hangs up. */
async function breakOff(run: number): Promise<void> {
  const headers = {
    authorization: `Bearer ${await server.token()}`,
    'content-length': '900',
    expect: '100-continue',
  }
  const url = `${server.url}${runs}/${run}/artifacts/broken-off`
  const sending = request(url, { method: 'PUT', headers })
  await new Promise<void>((resolve) => {
    sending.on('close', resolve)
    sending.on('continue', () => sending.write(Buffer.alloc(10), () => sending.destroy()))
    sending.on('error', () => undefined)
    sending.flushHeaders()
  })
}

test('a refused upload leaves no run in lists', async () => {
  await server.put('1/first', { body: 'a' })
  expect(await putStatus(2, 'too-large', 3000)).toBe(413)
  expect(await putStatus(3, 'over-quota', 1500)).toBe(413)
  const zip = { method: 'PUT', headers: { 'content-type': 'application/zip' }, body: 'no zip' }
  expect((await server.send(`${runs}/4/artifacts/broken`, zip)).status).toBe(400)
  await breakOff(5)
  const offer = {
    project: 'octo/app',
    run: 6,
    name: 'dist',
    treeDigest: `sha256:${digestOf('tree')}`,
    timesDigest: `sha256:${digestOf('')}`,
    entryCount: 1,
    fileCount: 1,
    logicalBytes: 1500,
  }
  expect((await server.send('/api/v1/uploads', { method: 'POST', json: offer })).status).toBe(413)
  await server.put('7/full', { body: randomBytes(999) })
  const place = { project: 'octo/app', run: 8, job: 'build', scope: 'job' } as const
  const stock = callerOf(server.url, await server.token(place), 'test')
  const refused = await stock.twirp('CreateArtifact', { name: 'over', version: 4 })
  expect(refused).toMatchObject({ status: 403, body: { msg: expect.stringContaining('QUOTA') } })
  expect(await listedRuns()).toEqual([7, 1])
})

test('a refused upload leaves no project in lists', async () => {
  const project = 'octo/never'
  const token = await server.token({ project })
  const path = `/api/v1/projects/${project}/runs/1/artifacts/a`
  const put = { method: 'PUT', token, body: randomBytes(3000) }
  expect((await server.send(path, put)).status).toBe(413)
  const listed = await server.send('/api/v1/projects', { token })
  expect(await listed.json()).toMatchObject({ items: [], total: 0 })
  expect(await server.page('/', { project })).not.toContain(project)
  // Its settings say that somebody wants it.
  const admin = await server.token({ scope: 'admin' })
  const change = { method: 'PATCH', token: admin, json: { quotaBytes: 100 } }
  expect((await server.send(`/api/v1/projects/${project}`, change)).status).toBe(200)
  expect(await server.page('/', { project })).toContain(`<a href="/${project}">`)
})

test('a refused attempt does not hide the one before', async () => {
  await server.record(9, [{ type: 'run-started', at: 1 }])
  expect(await putStatus(9, 'too-large?attempt=2', 3000)).toBe(413)
  expect(await listedRuns()).toContain(9)
  const run = (await (await server.send('/api/v1/runs/9?project=octo/app')).json()) as object
  expect(run).toMatchObject({ attempt: 1, record: { state: 'running' } })
})
