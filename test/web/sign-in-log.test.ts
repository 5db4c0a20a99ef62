/** Sign-ins in the audit log: accepted and refused ones, with their reasons, and how many. */
import { afterAll, beforeEach, expect, test } from 'vitest'
import type { WireAct } from '../../src/api/audit.ts'
import { limits } from '../../src/core/limits.ts'
import { openIdentityProvider } from '../http/identity-provider.ts'
import { openServer } from '../http/open-server.ts'
import { runTroveInside } from '../cli/run-inside.ts'
import { beginSignIn, finishSignIn, publicUrl, settingsFor, signIn } from './browser-sign-in.ts'

const provider = await openIdentityProvider()
const server = await openServer({
  ...settingsFor(provider),
  TROVE_SSO_ACCESS: 'groups:ops=admin groups:dev=write:octo/*',
})
afterAll(async () => {
  await server.close()
  await provider.close()
})
const host = new URL(provider.url).host
const hour = 3_600_000

beforeEach(() => {
  // The entries of the other tests do not count.
  server.clock.now += hour
})

const admin = async (): Promise<string> =>
  await server.token({ scope: 'admin', project: undefined })

const readAudit = async (query = '', token?: string): Promise<WireAct[]> => {
  const answer = await server.send(`/api/v1/audit?${query}`, { token: token ?? (await admin()) })
  return ((await answer.json()) as { items: WireAct[] }).items
}

const newest = async (): Promise<WireAct> => (await readAudit('limit=1'))[0]!

const signInWith = async (token: string): Promise<number> => {
  const headers = { origin: publicUrl, 'content-type': 'application/x-www-form-urlencoded' }
  const body = new URLSearchParams({ token }).toString()
  const answer = await server.send('/sign-in', { method: 'POST', token: null, headers, body })
  return answer.status
}

test('a sign-in with a token is recorded in its project, with the session and the token', async () => {
  const token = await server.token({ expiresInSeconds: 7200 })
  const described = await server.send('/api/v1/tokens/current', { token })
  const { id } = (await described.json()) as { id: string }
  expect(await signInWith(token)).toBe(303)
  const act = await newest()
  expect(act).toMatchObject({
    kind: 'sign-in',
    project: 'octo/app',
    details: { with: 'token' },
    by: { kind: 'person', person: null, origin: 'page' },
  })
  expect(act.by!.tokenIds).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), id])
  const [seen] = await readAudit('kind=sign-in', await server.token())
  expect(seen).toEqual(act)

  await server.send('/api/v1/tokens/revoke', { method: 'POST', token: null, json: { token } })
  expect(await signInWith(token)).toBe(401)
  expect(await newest()).toMatchObject({
    kind: 'refused-sign-in',
    project: 'octo/app',
    details: { with: 'token', reason: 'the token was revoked' },
    by: { tokenIds: [id] },
  })
})

test('a sign-in link is recorded, and a token of another server, whose holder nobody knows', async () => {
  const link = await server.token({ scope: 'admin', project: undefined }, 'sign-in')
  await server.send(`/sign-in?token=${link}`, { token: null })
  expect(await newest()).toMatchObject({
    kind: 'sign-in',
    project: null,
    details: { with: 'link' },
    by: { kind: 'administrator' },
  })
  expect(await signInWith('made.up.token')).toBe(401)
  expect(await newest()).toMatchObject({
    kind: 'refused-sign-in',
    project: null,
    details: { with: 'token', reason: 'the token was not issued by this server' },
    by: null,
  })
})

test('single sign-on is recorded with provider and person, also when the person has no access', async () => {
  Object.assign(provider, { claims: { sub: '1', email: 'jane@example.com', groups: ['ops'] } })
  await signIn(server)
  expect(await newest()).toMatchObject({
    kind: 'sign-in',
    project: null,
    details: { provider: host },
    by: { kind: 'administrator', person: 'jane@example.com' },
  })
  Object.assign(provider, { claims: { sub: '2', email: 'joe@example.com', groups: ['guests'] } })
  expect((await finishSignIn(server, await beginSignIn(server))).status).toBe(403)
  const reason = 'joe@example.com has no access to this store (TROVE_SSO_ACCESS)'
  expect(await newest()).toMatchObject({
    kind: 'refused-sign-in',
    details: { provider: host, reason },
    by: { kind: 'person', person: 'joe@example.com', tokenIds: [] },
  })
  const { callback, cookie } = await beginSignIn(server)
  const refusal = callback.replace(/code=[^&]*/, 'error=access_denied')
  expect((await finishSignIn(server, { callback: refusal, cookie })).status).toBe(401)
  expect(await newest()).toMatchObject({
    kind: 'refused-sign-in',
    details: { provider: host, reason: expect.stringContaining('access_denied') },
    by: null,
  })
})

test('pages and commands show who signed in, and who was refused and why', async () => {
  Object.assign(provider, { claims: { sub: '3', email: 'ann@example.com', groups: ['dev'] } })
  await signIn(server)
  await signInWith('made.up.token')
  const page = await (
    await server.visit('/admin/audit', { scope: 'admin', project: undefined })
  ).text()
  const text = page.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')
  expect(text).toContain(`signed in through ${host} page`)
  expect(text).toContain('somebody was refused at sign-in with a token: the token was not issued')
  const environment = { TROVE_URL: server.url, TROVE_TOKEN: await admin() }
  const listed = await runTroveInside(['audit', '--limit', '2'], environment)
  expect(listed.text.replaceAll(/ {2,}/g, ' ')).toMatch(
    /somebody page was refused at sign-in with a token: the token was not issued by this server\n.* ann@example\.com [0-9a-f]{12} page signed in through /,
  )
})

test('very many sign-ins fill the log no further, and the next entry counts them', async () => {
  const ofKind = async (kind: string): Promise<WireAct[]> =>
    (await readAudit(`kind=${kind}&limit=100`)).filter(
      ({ at }) => Date.parse(at) >= server.clock.now,
    )
  const { refusalsRecordedPerHour: refusals, signInsRecordedPerHour: signIns } = limits
  const token = await server.token({ expiresInSeconds: 7200 })
  for (let each = 0; each < refusals + 3; each++) await signInWith(`made.up.${each}`)
  for (let each = 0; each < signIns + 2; each++) await signInWith(token)
  expect(await ofKind('refused-sign-in')).toHaveLength(refusals)
  expect(await ofKind('sign-in')).toHaveLength(signIns)
  // Others are recorded nevertheless.
  await signInWith(await server.token({ project: 'octo/other' }))
  expect(await newest()).toMatchObject({
    kind: 'sign-in',
    project: 'octo/other',
    details: { unrecorded: 2 },
  })
  server.clock.now += hour
  await signInWith('made.up.token')
  expect((await newest()).details).toMatchObject({ unrecorded: 3 })
})

test('the log says what the provider sent for the rules, when none matched', async () => {
  const lines: string[] = []
  const settings = {
    ...settingsFor(provider),
    TROVE_SSO_ACCESS: 'groups:ops=admin email:a@b=admin',
  }
  const logging = await openServer(settings, undefined, undefined, (line) => lines.push(line))
  provider.claims = { sub: '9', groups: ['/ops', '/dev'], phone_number: '5' }
  try {
    expect((await finishSignIn(logging, await beginSignIn(logging))).status).toBe(403)
    const claims = 'groups: "/ops", "/dev"; email: no text'
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ message: 'single sign-on failed', claims }),
    ])
  } finally {
    await logging.close()
  }
})
