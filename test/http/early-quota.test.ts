/** Uploads without a chance are refused before their bytes are sent. */
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { dayMs } from '../../src/core/units.ts'
import { callerOf } from '../actions/rig.ts'
import { openSharedServer } from './open-server.ts'

const server = await openSharedServer({ TROVE_PROJECT_QUOTA: '1000' })

const offered = {
  name: 'dist',
  treeDigest: `sha256:${digestOf('tree')}`,
  timesDigest: `sha256:${digestOf('')}`,
  entryCount: 1,
  fileCount: 1,
  logicalBytes: 1,
}

/** Announces an upload of `project` but sends nothing of it; returns the status, or `asked` when
 *  the server asks for the body. */
async function announce(
  project: string,
  place: string,
  headers: Record<string, string>,
): Promise<number | 'asked'> {
  const authorization = `Bearer ${await server.token({ project })}`
  const url = `${server.url}/api/v1/projects/${project}/runs/${place.replace('/', '/artifacts/')}`
  const sending = request(url, {
    method: 'PUT',
    headers: { authorization, expect: '100-continue', ...headers },
  })
  return await new Promise((resolve) => {
    sending.on('error', () => undefined)
    const answer = (status: number | 'asked'): void => {
      sending.destroy()
      resolve(status)
    }
    sending.on('continue', () => answer('asked'))
    sending.on('response', ({ statusCode }) => answer(statusCode!))
    sending.flushHeaders()
  })
}

test('a file that is larger than what is left of the quota is refused before it is sent', async () => {
  const [project, token] = ['octo/part', await server.token({ project: 'octo/part' })]
  const path = `/api/v1/projects/${project}/runs/1/artifacts`
  await server.put(`${path}/first`, { body: randomBytes(600), token })
  const file = (bytes: number): Record<string, string> => ({ 'content-length': `${bytes}` })
  expect(await announce(project, '1/second', file(401))).toBe(413)
  expect(await announce('octo/new', '1/first', file(1001))).toBe(413)
  // Nothing is there to make room.
  expect(await announce(project, '1/second?overwrite=true', file(401))).toBe(413)
  const replaced = await server.put(`${path}/first?overwrite=true`, {
    body: randomBytes(900),
    token,
  })
  // Repeating an upload needs no room.
  const body = randomBytes(950)
  const id = await server.put(`${path}/first?overwrite=true`, { body, token })
  expect(id).not.toBe(replaced)
  expect(await server.put(`${path}/first`, { body, token })).toBe(id)
  expect(await announce(project, '1/first', file(950))).toBe('asked')
  // The files of an archive can be smaller than the archive.
  const empty = [{ name: 'empty', content: '' }]
  await server.put(`${path}/archive`, { tar: empty, token })
})

test('an expired artifact gives up its room to an upload of its name at once', async () => {
  const [project, name] = ['octo/expired', 'first']
  const passDays = async (): Promise<void> => {
    server.clock.now += 2 * dayMs
    await server.noteTime(server.clock.now)
  }
  const access = { project, expiresInSeconds: 400 * 86_400 }
  const token = await server.token(access)
  const path = `/api/v1/projects/${project}/runs/1/artifacts/${name}?retentionDays=1`
  await server.put(path, { body: randomBytes(1000), token })
  await passDays()
  const file = { 'content-length': '1000' }
  expect(await announce(project, '1/second', file)).toBe(413)
  expect(await announce(project, '2/first', file)).toBe(413)
  expect(await announce(project, '1/first', { 'content-length': '1001' })).toBe(413)
  expect(await announce(project, '1/first', file)).toBe('asked')
  const stock = callerOf(
    server.url,
    await server.token({ ...access, run: 1, job: 'build', scope: 'job' }),
    'test',
  )
  expect(await stock.twirp('CreateArtifact', { name: 'second', version: 4 })).toMatchObject({
    status: 403,
  })
  expect(await stock.twirp('CreateArtifact', { name, version: 4 })).toMatchObject({ status: 200 })
  const json = { ...offered, project, run: 1, name, logicalBytes: 1000 }
  expect((await server.send('/api/v1/uploads', { method: 'POST', token, json })).ok).toBe(true)
  await server.put(path, { body: randomBytes(1000), token })
  // Once it has been removed, nothing is left to give up.
  await passDays()
  const id = await server.put(path, { body: randomBytes(500), token })
  expect((await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE', token })).ok).toBe(true)
  await server.put(path.replace(name, 'second'), { body: randomBytes(600), token })
  expect(await announce(project, '1/first', { 'content-length': '401' })).toBe(413)
})

test('a project over its quota is refused every form of upload before it is sent', async () => {
  const project = 'octo/over'
  const token = await server.token({ project })
  const path = `/api/v1/projects/${project}`
  await server.put(`${path}/runs/1/artifacts/first`, { body: randomBytes(600), token })
  const settings = { method: 'PATCH', json: { quotaBytes: 500 } }
  const admin = await server.token({ scope: 'admin' })
  expect((await server.send(path, { ...settings, token: admin })).status).toBe(200)
  for (const type of ['application/zip', 'application/x-tar', 'text/plain']) {
    const headers = { 'content-type': type, 'transfer-encoding': 'chunked' }
    expect([type, await announce(project, '1/second', headers)]).toEqual([type, 413])
  }
  const offer = { ...offered, project, run: 2 }
  for (const overwrite of [false, true]) {
    const sent = { method: 'POST', token, json: { ...offer, overwrite } }
    expect((await server.send('/api/v1/uploads', sent)).status).toBe(413)
    const { run, name } = offer
    const check = { method: 'POST', token, json: { project, run, name, overwrite } }
    expect((await server.send('/api/v1/uploads/check', check)).status).toBe(413)
  }
  // Also where the project lets an upload replace what has its name: here nothing has.
  const change = { method: 'PATCH', token: admin, json: { onConflict: 'replace' } }
  expect((await server.send(path, change)).status).toBe(200)
  const place = { project, run: 3, job: 'build', scope: 'job' } as const
  const stock = callerOf(server.url, await server.token(place), 'test')
  const refused = await stock.twirp('CreateArtifact', { name: 'over', version: 4 })
  expect(refused).toMatchObject({
    status: 403,
    body: { msg: expect.stringContaining('storage quota') },
  })
})

test('a name that is taken is refused before the file is sent', async () => {
  const project = 'octo/taken'
  const token = await server.token({ project })
  await server.put(`/api/v1/projects/${project}/runs/1/artifacts/first`, { token })
  const headers = { 'content-length': '5' }
  expect(await announce(project, '1/first?job=other', headers)).toBe(409)
  // Whether or not it would fit: with room, the name would still be taken.
  const offer = { ...offered, project, run: 1, name: 'first', logicalBytes: 1001 }
  const sent = { method: 'POST', token, json: offer }
  expect((await server.send('/api/v1/uploads', sent)).status).toBe(409)
})
