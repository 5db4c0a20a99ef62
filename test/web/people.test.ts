/** Sessions and tokens of people are worth what their owner signed in with last, and sleep when the
 *  owner does not sign in. */
import { once } from 'node:events'
import { cp, mkdtemp } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeEach, expect, test } from 'vitest'
import type { WireCurrentToken, WireMintedToken } from '../../src/api/token-messages.ts'
import { runTroveInside } from '../cli/run-inside.ts'
import { openIdentityProvider } from '../http/identity-provider.ts'
import { openServer, problemOf, type TestServer } from '../http/open-server.ts'
import {
  beginSignIn,
  finishSignIn,
  madeToken,
  postAccount,
  publicUrl,
  settingsFor,
  signIn,
} from './browser-sign-in.ts'

const provider = await openIdentityProvider()
const settings = {
  ...settingsFor(provider),
  TROVE_SSO_ACCESS: 'groups:ops=admin groups:dev=write:octo/* groups:qa=read:octo/app,acme/*',
}
let server: TestServer = await openServer(settings)
afterAll(async () => {
  await server.close()
  await provider.close()
})

const day = 86_400_000
let person = 0
const be = (...groups: string[]): void => {
  Object.assign(provider, { claims: { sub: `p${person}`, email: 'jane@example.com', groups } })
}
beforeEach(() => {
  person++
})

const newToken = async (form = 'scope=write&days=90'): Promise<string> =>
  await madeToken(await postAccount(server, await signIn(server), form))

const describe = async (token: string): Promise<WireCurrentToken> =>
  (await (await server.send('/api/v1/tokens/current', { token })).json()) as WireCurrentToken

const refusalOf = async (token: string): Promise<unknown> => {
  const { status, body } = await problemOf(await server.send('/api/v1/tokens/current', { token }))
  expect(status).toBe(401)
  return body['detail']
}

const write = (projects: string): object => ({ scope: 'write', projects })
const read = (projects: string): object => ({ scope: 'read', projects })

test('a token and an open session follow the groups that its owner last signed in with', async () => {
  be('dev')
  const session = await signIn(server)
  const token = await madeToken(await postAccount(server, session, 'scope=write&days=90'))
  const reading = await newToken('scope=read&days=90')
  expect(await describe(token)).toMatchObject({
    person: 'jane@example.com',
    access: [write('octo/*')],
  })
  be('qa')
  await signIn(server)
  const lower = { scope: 'read', access: [read('octo/app'), read('acme/*')] }
  expect(await describe(token)).toMatchObject(lower)
  const current = await server.send('/api/v1/tokens/current', { token: null, headers: session })
  expect(await current.json()).toMatchObject(lower)
  be('qa', 'ops')
  await signIn(server)
  expect(await describe(token)).toMatchObject({ scope: 'write', access: [write('**')] })
  expect(await describe(reading)).toMatchObject({ scope: 'read', access: [read('**')] })
})

test('a session of a former administrator administers nothing', async () => {
  be('ops')
  const headers = await signIn(server)
  const visit = async (): Promise<number> =>
    (await server.send('/admin/tokens', { token: null, headers })).status
  expect(await visit()).toBe(200)
  be('dev')
  await signIn(server)
  expect(await visit()).toBe(403)
})

test('who is refused at sign-in loses what earlier sign-ins gave', async () => {
  be('dev')
  const token = await newToken()
  const headers = await signIn(server)
  be('guests')
  const refused = await finishSignIn(server, await beginSignIn(server))
  expect(refused.headers.getSetCookie().join()).not.toContain('trove_session')
  expect(await refusalOf(token)).toBe(
    'jane@example.com has no access to this store any more (TROVE_SSO_ACCESS)',
  )
  const page = await server.send('/', { token: null, headers })
  expect(page.headers.get('location')).toBe('/sign-in?next=%2F')
})

test('a token sleeps when its owner does not sign in for two weeks, and wakes when they do', async () => {
  be('dev')
  const token = await newToken()
  server.clock.now += 13.9 * day
  expect(await describe(token)).toMatchObject({ scope: 'write' })
  server.clock.now += 0.2 * day
  expect(await refusalOf(token)).toBe(
    `tokens of people sleep 14d after their last sign-in (TROVE_SSO_SLEEP): jane@example.com wakes this one by signing in at ${publicUrl}/sign-in`,
  )
  const stateOf = async (): Promise<string> => {
    const list = await server.send('/api/v1/tokens', {
      token: await server.token({ project: undefined, scope: 'admin' }),
    })
    const { items } = (await list.json()) as { items: WireMintedToken[] }
    return items.find(({ session }) => !session)!.state
  }
  expect(await stateOf()).toBe('asleep')
  const access = { TROVE_URL: server.url, TROVE_TOKEN: token }
  const { status, stderr } = await runTroveInside(['list'], access)
  expect([status, stderr]).toEqual([
    5,
    expect.stringMatching(/^trove: [^\n]* signing in at [^\n]*\n$/),
  ])
  await signIn(server)
  expect(await describe(token)).toMatchObject({ scope: 'write' })
  expect(await stateOf()).toBe('valid')
})

test('what a person mints for a project or a job goes no further than they do', async () => {
  be('dev')
  const own = await newToken()
  const mint = async (json: object): Promise<string> => {
    const minted = await server.send('/api/v1/tokens', { method: 'POST', token: own, json })
    return ((await minted.json()) as { token: string }).token
  }
  const writing = await mint({ project: 'octo/app', scope: 'write', expiresInSeconds: 3600 })
  const ofJob = await mint({ project: 'octo/app', run: 1, job: 'build', expiresInSeconds: 3600 })
  const elsewhere = await mint({ project: 'octo/lib', scope: 'read', expiresInSeconds: 3600 })
  for (const each of [writing, ofJob, elsewhere])
    expect(await describe(each)).toMatchObject({ person: 'jane@example.com' })
  be('qa')
  await signIn(server)
  expect(await describe(writing)).toMatchObject({ scope: 'read', project: 'octo/app' })
  for (const [token, project] of [
    [ofJob, 'octo/app'],
    [elsewhere, 'octo/lib'],
  ] as const)
    expect(await refusalOf(token)).toBe(
      `jane@example.com has no access to ${project} any more (TROVE_SSO_ACCESS)`,
    )
  be('ops')
  await signIn(server)
  for (const each of [writing, ofJob, elsewhere])
    expect(await describe(each)).toMatchObject({ person: 'jane@example.com' })
})

test('an upload fails when its person loses access before it ends, and not when they gain some', async () => {
  be('dev')
  const token = await newToken()
  const upload = async (name: string, meanwhile: string[]): Promise<[number, string]> => {
    const path = `/api/v1/projects/octo/app/runs/1/artifacts/${name}`
    const headers = { authorization: `Bearer ${token}` }
    const slow = request(new URL(path, server.url), { method: 'PUT', headers })
    const answered = once(slow, 'response')
    slow.write('first')
    await expect.poll(() => slow.socket?.bytesWritten ?? 0).toBeGreaterThan(0)
    be(...meanwhile)
    await signIn(server)
    slow.end('rest')
    const [answer] = (await answered) as [IncomingMessage]
    return [answer.statusCode!, await text(answer)]
  }
  expect(await upload('kept', ['dev', 'qa'])).toEqual([201, expect.any(String)])
  be('dev')
  await signIn(server)
  expect(await upload('of-an-administrator', ['ops'])).toEqual([201, expect.any(String)])
  be('dev')
  await signIn(server)
  expect(await upload('lost', ['qa'])).toEqual([
    401,
    expect.stringContaining('jane@example.com lost access during the request'),
  ])
})

test('a person is who the provider says by subject, whatever their name is', async () => {
  be('dev')
  const token = await newToken()
  person++
  be('qa')
  await signIn(server)
  expect(await describe(token)).toMatchObject({ scope: 'write' })
})

test('the account page lists the tokens and sessions of its person, who revokes them there', async () => {
  const account = async (headers: Record<string, string>): Promise<string> =>
    await (await server.send('/account', { token: null, headers })).text()
  const revoke = async (headers: Record<string, string>, id: string): Promise<number> =>
    (await postAccount(server, headers, `revoke=${id}`)).status
  be('dev')
  const session = await signIn(server)
  const token = await madeToken(await postAccount(server, session, 'scope=read&days=7'))
  const { id } = await describe(token)
  person++
  be('dev')
  const other = await signIn(server)
  expect(await account(session)).toContain(id)
  expect(await account(session)).toContain('this browser')
  expect(await account(other)).not.toContain(id)
  expect(await revoke(other, id)).toBe(404)
  expect((await describe(token)).scope).toBe('read')
  expect(await revoke(session, id)).toBe(303)
  expect(await refusalOf(token)).toBe('the token was revoked')
  expect(await account(session)).not.toContain(`value="${id}"`)
  const own = await server.send('/api/v1/tokens/current', { token: null, headers: session })
  expect(await revoke(session, ((await own.json()) as WireCurrentToken).id)).toBe(303)
  const after = await server.send('/account', { token: null, headers: session })
  expect(after.status).toBe(302)
})

test('the account page has no button that revokes an expired token', async () => {
  be('dev')
  const token = await newToken('scope=read&days=1')
  const { id } = await describe(token)
  server.clock.now += 1.1 * day
  const session = await signIn(server)
  const page = await (await server.send('/account', { token: null, headers: session })).text()
  expect(page).toContain('<td>expired</td>')
  expect(page).not.toContain(`value="${id}"`)
})

test('sign-ins outlive the server, and a rule that the operator changes counts from its start on', async () => {
  const startAgain = async (rules: object = {}): Promise<void> => {
    const copy = await mkdtemp(join(tmpdir(), 'trove-'))
    await cp(server.dataDir, copy, { recursive: true })
    const { now } = server.clock
    await server.close()
    server = await openServer({ ...settings, ...rules }, copy)
    server.clock.now = now
  }
  be('dev')
  const token = await newToken()
  await startAgain()
  expect(await describe(token)).toMatchObject({ access: [write('octo/*')] })
  await startAgain({ TROVE_SSO_ACCESS: 'groups:dev=read:octo/app groups:qa=write:**' })
  expect(await describe(token)).toMatchObject({ scope: 'read', access: [read('octo/app')] })
  await startAgain({ TROVE_SSO_ACCESS: 'groups:qa=write:**' })
  expect(await refusalOf(token)).toContain('has no access to this store any more')
})
