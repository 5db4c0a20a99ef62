/** Lists that are gzipped for clients that accept it. */
import { expect, test } from 'vitest'
import { openSharedServer } from './open-server.ts'
import { annotation } from './step-events.ts'

const server = await openSharedServer()

test('long lists and manifests are gzipped if that is accepted, and short ones are sent as they are', async () => {
  const token = await server.token({ project: 'octo/lists', scope: 'write' })
  const tar = Array.from({ length: 100 }, (_, n) => ({ name: `d/file-${n}`, content: `${n}` }))
  const artifacts = '/api/v1/projects/octo/lists/runs/1/artifacts'
  const id = await server.put(`${artifacts}/one`, { token, tar })
  for (const name of ['two', 'three']) await server.put(`${artifacts}/${name}`, { token, tar })
  const at = async (path: string, coding: string): Promise<Response> =>
    await server.send(path, { token, headers: { 'accept-encoding': coding } })
  const artifact = `/api/v1/artifacts/${id}`
  for (const path of [
    '/api/v1/artifacts',
    `${artifact}/directory?path=d`,
    `${artifact}/sizes?path=d`,
    `${artifact}/manifest`,
    `${artifact}/manifest?limit=60`,
    `/api/v1/compare?base=id:${id}&head=id:${id}`,
    '/api/v1/search?path=d/*',
    '/openapi.json',
    '/repos/octo/lists/actions/artifacts',
  ]) {
    const [plain, packed] = [await at(path, 'identity'), await at(path, 'gzip')]
    expect([path, plain.headers.get('vary'), plain.headers.get('content-encoding')]).toEqual([
      path,
      path.includes('/compare') ? 'Accept, Accept-Encoding' : 'Accept-Encoding',
      null,
    ])
    expect([path, packed.headers.get('content-encoding')]).toEqual([path, 'gzip'])
    expect(await packed.text()).toBe(await plain.text())
    // A strong ETag names the bytes as they are sent.
    const tag = plain.headers.get('etag')
    expect(packed.headers.get('etag')).toBe(tag && `${tag.slice(0, -1)};gzip"`)
  }
  const short = await at(`${artifact}/directory`, 'gzip')
  expect(short.headers.get('content-encoding')).toBeNull()
})

test('so are the record of a run, its jobs and their annotations, the audit log and the tokens', async () => {
  const job = { key: 'build', id: 'build', name: 'build' }
  await server.record(7, [
    { type: 'run-started', at: 1 },
    { type: 'job-named', at: 1, job },
    { type: 'job-started', at: 1, job: 'build' },
    { type: 'step-started', at: 1, job: 'build', step: { number: 1, name: 's'.repeat(1000) } },
    annotation({ message: 'm'.repeat(1000) }),
  ])
  for (let n = 0; n < 9; n++) {
    const json = { scope: 'read', expiresInSeconds: 30 * 86_400 }
    await server.send('/api/v1/tokens', { method: 'POST', json })
  }
  const at = async (path: string): Promise<Response> =>
    await server.send(path, { headers: { 'accept-encoding': 'gzip' } })
  const jobs = (await (await at('/repos/octo/app/actions/runs/7/jobs')).json()) as {
    jobs: { id: number }[]
  }
  for (const path of [
    '/api/v1/runs/7',
    '/repos/octo/app/actions/runs/7/jobs',
    `/repos/octo/app/check-runs/${jobs.jobs[0]!.id}/annotations`,
    '/api/v1/audit',
    '/api/v1/tokens',
  ]) {
    const { headers } = await at(path)
    expect([path, headers.get('content-encoding'), headers.get('vary')]).toEqual([
      path,
      'gzip',
      'Accept-Encoding',
    ])
  }
})
