/** The limit on uploads in progress per project. Stock and native uploads count together until
 *  they end. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { zipOf } from '../actions/archives.ts'
import { type Caller, callerOf, putBlocks } from '../actions/rig.ts'
import { openSharedServer, problemOf } from './open-server.ts'
import { runJob } from './run-job.ts'

const max = 3
const server = await openSharedServer({ TROVE_MAX_OPEN_UPLOADS: String(max) })
const uploads = '/api/v1/uploads'

async function stock(project: string, job = 'build'): Promise<Caller> {
  return callerOf(server.url, await server.token({ project, run: 1, job, scope: 'job' }), 'test')
}

/** Offers a tree that the server does not have. */
async function offer(project: string): Promise<Response> {
  const json = {
    project,
    run: 1,
    name: 'native',
    treeDigest: `sha256:${randomBytes(32).toString('hex')}`,
    timesDigest: `sha256:${digestOf('')}`,
    entryCount: 1,
    fileCount: 1,
    logicalBytes: 1,
  }
  return await server.send(uploads, {
    method: 'POST',
    json,
    token: await server.token({ project }),
  })
}

async function expectRefused(project: string): Promise<void> {
  const reason = new RegExp(`${project} has ${max} open uploads.*TROVE_MAX_OPEN_UPLOADS`)
  const created = await (await stock(project)).twirp('CreateArtifact', { name: 'more', version: 4 })
  expect(created).toMatchObject({ status: 413, body: { msg: expect.stringMatching(reason) } })
  expect(await problemOf(await offer(project))).toMatchObject({
    status: 413,
    body: { detail: expect.stringMatching(reason), setting: 'TROVE_MAX_OPEN_UPLOADS' },
  })
}

test('a project at its limit of open uploads can start no other until one ends', async () => {
  const project = 'octo/many'
  const job = await stock(project)
  const zip = zipOf({ a: '1' })
  const target = await job.create('first')
  await job.create('second')
  const native = await offer(project)
  const { id } = (await native.json()) as { id: string }
  await expectRefused(project)
  // Other projects still can, as can whole uploads and repeated offers.
  await (await stock('octo/other')).create('elsewhere')
  expect(
    await server.put(`/api/v1/projects/${project}/runs/1/artifacts/whole`, {
      token: await server.token({ project }),
    }),
  ).toBeGreaterThan(0)
  await job.create('second')
  await expectRefused(project)

  await putBlocks(target, [['YQ==', zip]])
  expect((await job.finalize('first', zip)).status).toBe(200)
  await job.create('third')
  await expectRefused(project)

  const token = await server.token({ project })
  expect((await server.send(`${uploads}/${id}`, { method: 'DELETE', token })).status).toBe(204)
  await job.create('fourth')
  await expectRefused(project)
})

test('abandoned uploads count until the first round after a day', async () => {
  const project = 'octo/left'
  const job = await stock(project)
  for (const name of ['a', 'b', 'c']) await job.create(name)
  await expectRefused(project)
  server.clock.now += 25 * 60 * 60 * 1000
  await runJob(server, 'gc')
  for (const name of ['a', 'b', 'c']) await (await stock(project)).create(`${name}-again`)
  await expectRefused(project)
})
