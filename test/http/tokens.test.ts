/** Revoking tokens: what is revoked, what is not, and who may revoke. */
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { cp, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { openServer, problemOf } from './open-server.ts'
import { whileDiskRefuses } from '../refusing-disk.ts'
import { runJob } from './run-job.ts'

let server = await openServer()
afterAll(async () => {
  await server.close()
})
await server.put('1/a')

const listing = '/api/v1/artifacts?project=octo/app'

async function statusWith(token: string, path = listing): Promise<number> {
  return (await server.send(path, { token })).status
}

async function liveNames(): Promise<string[]> {
  const { items } = (await (await server.send(listing)).json()) as { items: { name: string }[] }
  return items.map(({ name }) => name)
}

async function mintWith(token: string, json: TokenRequest = { scope: 'write' }): Promise<string> {
  const answer = await server.send('/api/v1/tokens', { method: 'POST', token, json })
  expect(answer.status).toBe(201)
  return ((await answer.json()) as { token: string }).token
}

async function revoke(token: string): Promise<Response> {
  return await server.send('/api/v1/tokens/revoke', {
    method: 'POST',
    token: null,
    json: { token },
  })
}

async function revokeAll(token: string, project = 'octo/app'): Promise<Response> {
  const path = `/api/v1/projects/${project}/tokens/revoke`
  return await server.send(path, { method: 'POST', token })
}

/** Signs in with a token and returns the cookie. */
async function signIn(token: string): Promise<string> {
  const answer = await server.send('/sign-in', {
    method: 'POST',
    token: null,
    headers: { origin: server.url, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token }).toString(),
  })
  return answer.headers.get('set-cookie')?.split(';')[0] ?? ''
}

async function pageWith(cookie: string): Promise<number> {
  return (await server.send('/octo/app', { token: null, headers: { cookie } })).status
}

test('a revoked token and its descendants are rejected, and no others', async () => {
  const leaked = await server.token({ expiresInSeconds: 3600 })
  const twin = await server.token({ expiresInSeconds: 3600 })
  const child = await mintWith(leaked)
  const grandchild = await mintWith(child, { scope: 'read' })
  const session = await signIn(grandchild)
  expect(await pageWith(session)).toBe(200)
  const answer = await revoke(leaked)
  expect(answer.status).toBe(200)
  expect(await answer.json()).toMatchObject({ scope: 'write', project: 'octo/app', run: null })
  for (const token of [leaked, child, grandchild]) expect(await statusWith(token)).toBe(401)
  expect(await problemOf(await server.send(listing, { token: child }))).toMatchObject({
    code: 'unauthenticated',
    body: { detail: 'the token was revoked' },
  })
  expect(await pageWith(session)).toBe(302)
  expect(await statusWith(twin)).toBe(200)
  // Repeated, as by a client that lost the response.
  expect((await revoke(leaked)).status).toBe(200)
  expect(await signIn(leaked)).toBe('')
})

test('a revocation that cannot be written is reported as failed, and holds until the next start', async () => {
  const [leaked, all] = [await server.token(), await server.token({ project: 'octo/third' })]
  const admin = await server.token({ scope: 'admin' })
  const answers = await whileDiskRefuses(async () => [
    await revoke(leaked),
    await revokeAll(admin, 'octo/third'),
  ])
  expect(answers.map(({ status }) => status)).toEqual([503, 503])
  expect(await statusWith(leaked)).toBe(401)
  expect(await statusWith(all, '/api/v1/artifacts?project=octo/third')).toBe(401)
})

// Goal: the memory for revocations does not grow with every sign-out. What is forgotten shows once
// the clock is set back.
test('a revocation is forgotten when the URLs that the token signed have ended, and not before', async () => {
  const admin = await server.token({ scope: 'admin', expiresInSeconds: 8 * 86_400 })
  const leaked = await server.token({ expiresInSeconds: 3600 })
  await revoke(leaked)
  const collected = async (): Promise<void> => {
    const path = '/api/v1/admin/gc'
    const { id } = (await (
      await server.send(path, { method: 'POST', json: {}, token: admin })
    ).json()) as { id: number }
    const state = async (): Promise<unknown> =>
      await (await server.send(`/api/v1/admin/jobs/${id}`, { token: admin })).json()
    await expect.poll(state).toMatchObject({ state: 'done' })
  }
  await collected()
  expect(await statusWith(leaked)).toBe(401)
  const later = 3_600_000 - 2000 + limits.signedUrlMsMax
  server.clock.now += later
  await collected()
  server.clock.now -= later
  expect(await statusWith(leaked)).toBe(401)
  server.clock.now += later + 4000
  await collected()
  server.clock.now -= later + 4000
  expect(await statusWith(leaked)).toBe(200)
})

test('a token of another server cannot be revoked', async () => {
  expect((await revoke('a.b.c')).status).toBe(401)
  expect((await revoke('')).status).toBe(401)
})

test('all tokens of a project are revoked at once, those of jobs too, but not later ones', async () => {
  const job = await server.token({ scope: 'job', run: 1, job: 'build' })
  const person = await server.token({ project: 'Octo/App', scope: 'read' })
  const session = await signIn(person)
  const own = await server.token()
  const admin = await server.token({ scope: 'admin' })
  const other = await server.token({ project: 'octo/other' })
  expect((await revokeAll(job)).status).toBe(403)
  expect((await revokeAll(person)).status).toBe(403)
  expect((await revokeAll(other)).status).toBe(403)
  expect(await statusWith(own)).toBe(200)
  const answer = await revokeAll(own)
  expect(answer.status).toBe(200)
  const issuedUntil = new Date(server.clock.now).toISOString()
  expect(await answer.json()).toEqual({ project: 'octo/app', issuedUntil })
  for (const token of [job, person, own]) expect(await statusWith(token)).toBe(401)
  expect(await pageWith(session)).toBe(302)
  expect(await statusWith(admin)).toBe(200)
  expect(await statusWith(other, '/api/v1/artifacts?project=octo/other')).not.toBe(401)
  server.clock.now += 1
  expect(await statusWith(await server.token())).toBe(200)
  expect(await statusWith(await mintWith(admin, { project: 'octo/app' }))).toBe(200)
})

test.each([
  ['a token being minted', 'POST', '/api/v1/tokens', ['{"scope":', '"write"}']],
  ['an upload in progress', 'PUT', '/api/v1/projects/octo/app/runs/2/artifacts/b', ['a', 'b']],
])(
  '%s is rejected when the token of the request is revoked meanwhile',
  async (_what, method, path, [first, rest]) => {
    const own = await server.token({ expiresInSeconds: 3600 })
    const headers = { authorization: `Bearer ${own}`, 'content-type': 'application/json' }
    const slow = request(new URL(path, server.url), { method, headers })
    const answered = once(slow, 'response')
    slow.write(first)
    // The request has been authenticated: another one, sent after its first bytes, got a response.
    await expect.poll(() => slow.socket?.bytesWritten ?? 0).toBeGreaterThan(0)
    expect(await statusWith(own)).toBe(200)
    expect((await revoke(own)).status).toBe(200)
    slow.end(rest)
    const [answer] = (await answered) as [IncomingMessage]
    expect([answer.statusCode, await text(answer)]).toEqual([
      401,
      expect.stringContaining('the token was revoked'),
    ])
    expect(await liveNames()).toEqual(['a'])
  },
)

test('the session of a browser that signed out is revoked, wherever its cookie is', async () => {
  const token = await server.token()
  const [session, elsewhere] = [await signIn(token), await signIn(token)]
  const headers = { cookie: session, origin: server.url }
  const answer = await server.send('/sign-out', { method: 'POST', token: null, headers })
  expect(answer.status).toBe(303)
  expect(await pageWith(session)).toBe(302)
  expect(await pageWith(elsewhere)).toBe(200)
  expect(await statusWith(token)).toBe(200)
})

/** Stops the server and starts another on its directory, at the same time. */
async function startAgain(): Promise<void> {
  const copy = await mkdtemp(join(tmpdir(), 'trove-'))
  await cp(server.dataDir, copy, { recursive: true })
  const { now } = server.clock
  await server.close()
  server = await openServer({}, copy)
  server.clock.now = now
}

test('revocations survive a restart', async () => {
  const [single, ofProject] = [await server.token(), await server.token({ project: 'octo/other' })]
  await revoke(single)
  await revokeAll(ofProject, 'octo/other')
  await startAgain()
  expect(await statusWith(single)).toBe(401)
  expect(await statusWith(ofProject, '/api/v1/artifacts?project=octo/other')).toBe(401)
  expect(await statusWith(await server.token())).toBe(200)
})

test("an administrator's token does not belong to the project it names, and revoking it revokes descendants that outlive it", async () => {
  const admin = await server.token({ scope: 'admin', expiresInSeconds: 60 })
  const child = await mintWith(admin, { scope: 'admin', expiresInSeconds: 1000 * 86_400 })
  expect((await revoke(admin)).status).toBe(200)
  expect((await revokeAll(await server.token())).status).toBe(200)
  // Long enough for other revocations to be forgotten.
  for (let day = 0; day < 2; day++) server.clock.now += 200 * 86_400_000
  await runJob(server, 'gc', { now: true })
  await startAgain()
  for (const each of [admin, child]) expect(await statusWith(each)).toBe(401)
})
