/** Signing in through an identity provider: who gets which access, and what is refused. */
import { afterAll, beforeEach, expect, test } from 'vitest'
import { openIdentityProvider, type IdentityProvider } from '../http/identity-provider.ts'
import { openServer } from '../http/open-server.ts'
import {
  beginSignIn,
  type Begun,
  cookiesOf,
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
  TROVE_SSO_ACCESS:
    'groups:ops=admin groups:acme/*=write:octo/app,octo/lib groups:Release%20Team=read:acme/** email:*@example.com=read:octo/*',
}
const server = await openServer(settings)
afterAll(async () => {
  await server.close()
  await provider.close()
})

const jane = { sub: '7', email: 'jane@example.com', preferred_username: 'jane' }

beforeEach(() => {
  const sound = { nonce: undefined, isForged: false, failing: undefined }
  Object.assign(provider, { claims: jane, userInfo: {}, ...sound })
})

const begin = async (next?: string): ReturnType<typeof beginSignIn> =>
  await beginSignIn(server, next)
const finish = async (begun: Begun): Promise<Response> => await finishSignIn(server, begun)

const describeSession = async (headers: Record<string, string>, on = server): Promise<object> =>
  (await (await on.send('/api/v1/tokens/current', { token: null, headers })).json()) as object

test('the sign-in page leads to the provider, and back to the page that was wanted', async () => {
  const page = await (await server.send('/sign-in?next=%2Focto%2Fapp', { token: null })).text()
  expect(page).toContain('href="/sign-in/sso?next=%2Focto%2Fapp"')
  expect(page).toContain('href="/sign-in/sso?next=%2Focto%2Fapp&amp;account=another"')
  const done = await finish(await begin('/octo/app?branch=main'))
  expect([done.status, done.headers.get('location')]).toEqual([303, '/octo/app?branch=main'])
  const outside = await finish(await begin('https://evil.example/'))
  expect(outside.headers.get('location')).toBe('/')
  const long = await begin(`/octo/app/search?path=${'x'.repeat(4000)}`)
  expect(long.cookie.length).toBeLessThan(4096)
  expect((await finish(long)).headers.get('location')).toBe('/')
})

test.each<[string, object, object, object]>([
  ['an address', jane, {}, { scope: 'read', access: [{ scope: 'read', projects: 'octo/*' }] }],
  [
    'an address and a group that only the userinfo endpoint names',
    jane,
    { groups: ['acme/dev', 'others'] },
    {
      scope: 'write',
      access: [
        { scope: 'write', projects: 'octo/app' },
        { scope: 'write', projects: 'octo/lib' },
        { scope: 'read', projects: 'octo/*' },
      ],
    },
  ],
  [
    'a group with a blank in its name',
    { sub: '8', groups: ['Release Team'] },
    {},
    { scope: 'read', access: [{ scope: 'read', projects: 'acme/**' }] },
  ],
  ['a group of administrators', { ...jane, groups: ['ops'] }, {}, { scope: 'admin', access: [] }],
])('%s gives the access that its rules say', async (_, claims, userInfo, expected) => {
  Object.assign(provider, { claims, userInfo })
  expect(await describeSession(await signIn(server))).toMatchObject({
    project: null,
    session: true,
    ...expected,
  })
})

test.each<[string, object]>([
  ['matches no rule', { sub: '9', email: 'jane@elsewhere.example', groups: ['acme'] }],
  ['has an address that is not verified', { ...jane, email_verified: false }],
  // Amazon Cognito's userinfo endpoint gives truth values as text.
  ['has such an address by a claim that is text', { ...jane, email_verified: 'false' }],
  ['is in a group whose name contains that of another', { sub: '9', groups: ['devops', 'xops'] }],
])('a person who %s is told so and gets no session', async (_, claims) => {
  Object.assign(provider, { claims })
  const refused = await finish(await begin())
  expect(refused.status).toBe(403)
  expect(await refused.text()).toContain('has no access to this store')
  expect(cookiesOf(refused).get('trove_session')).toBeUndefined()
})

test('the provider asks who it is when another account is wanted', async () => {
  const promptAt = async (path: string): Promise<string | null> => {
    const begun = await server.send(path, { token: null })
    return new URL(begun.headers.get('location')!).searchParams.get('prompt')
  }
  expect(await promptAt('/sign-in/sso?next=%2F')).toBeNull()
  expect(await promptAt('/sign-in/sso?next=%2F&account=another')).toBe('login')
})

test('the session ends after half a day', async () => {
  const headers = await signIn(server)
  const until = Date.parse(((await describeSession(headers)) as { expiresAt: string }).expiresAt)
  expect(until - server.clock.now).toBeGreaterThan(11 * 3_600_000)
  expect(until - server.clock.now).toBeLessThanOrEqual(12 * 3_600_000)
})

test('what a person does is in the audit log under the name that the provider gave', async () => {
  Object.assign(provider, { claims: { ...jane, groups: ['acme/dev'] } })
  const id = await server.put('7/dist')
  const headers = { ...(await signIn(server)), origin: publicUrl }
  const path = `/octo/app/actions/runs/7/artifacts/${id}/delete`
  const deleted = await server.send(path, { method: 'POST', token: null, headers, body: '' })
  expect(deleted.status).toBe(303)
  const { items } = (await (await server.send('/api/v1/audit')).json()) as { items: object[] }
  expect(items[0]).toMatchObject({
    kind: 'delete',
    by: { kind: 'person', person: 'jane@example.com' },
  })
  const audit = await server.page('/octo/app/settings/audit')
  expect(audit).toContain('jane@example.com')
})

test.each<[string, (begun: Begun) => unknown]>([
  ['another state', (begun) => (begun.callback = begun.callback.replace(/state=./, 'state=~'))],
  ['the cookie of another attempt', async (begun) => (begun.cookie = (await begin()).cookie)],
  ['no cookie', (begun) => (begun.cookie = 'trove_sso=')],
  ['a cookie that is not ours', (begun) => (begun.cookie = 'trove_sso=bm90IG91cnM')],
  ['a made-up code', (begun) => (begun.callback = begun.callback.replace(/code=./, 'code=~'))],
  ['an ID token for another attempt', () => (provider.nonce = 'another')],
  ['an ID token signed by somebody else', () => (provider.isForged = true)],
])('%s opens no session', async (_, change) => {
  const begun = await begin()
  await change(begun)
  const refused = await finish(begun)
  expect(refused.status).toBe(401)
  expect(cookiesOf(refused).get('trove_session')).toBeUndefined()
})

test('a code opens one session', async () => {
  const begun = await begin()
  expect((await finish(begun)).status).toBe(303)
  expect((await finish(begun)).status).toBe(401)
})

test('a person who declines at the provider is back on the sign-in page', async () => {
  const { callback, cookie } = await begin()
  const state = new URLSearchParams(callback.slice(callback.indexOf('?'))).get('state')
  const query = `error=access_denied&error_description=Not+today&state=${state}`
  const refused = await finish({ callback: `/sign-in/callback?${query}`, cookie })
  expect(refused.status).toBe(401)
  expect(await refused.text()).toContain('Not today')
})

test('a person can sign in in several tabs, of which the newest may remember long paths', async () => {
  const path = (n: number): string => `/octo/app/search?path=${n}${'x'.repeat(1000)}`
  let cookie: string | undefined
  const tabs: Begun[] = []
  for (let n = 0; n < 4; n++) {
    const begun = await beginSignIn(server, path(n), cookie)
    tabs.push(begun)
    cookie = begun.cookie
    expect(cookie.length).toBeLessThan(4096)
  }
  const ends: unknown[] = []
  for (const { callback } of tabs) {
    const done = await finish({ callback, cookie: cookie! })
    const left = cookiesOf(done).get('trove_sso')
    if (left !== undefined) cookie = `trove_sso=${left}`
    ends.push(done.headers.get('location') ?? done.status)
  }
  expect(ends).toEqual([401, 401, path(2), path(3)])
})

test.each<[string, IdentityProvider['failing'], number, string]>([
  [
    'a failed token endpoint',
    { path: '/token', status: 502 },
    503,
    '/token responded 502: unexpected HTTP response status code',
  ],
  ['no person', { path: '/userinfo', status: 404 }, 401, '/userinfo responded 404'],
])('%s is told on a page that offers to try again', async (_, failing, status, reason) => {
  const begun = await begin('/octo/app')
  provider.failing = failing
  const refused = await finish(begun)
  expect(refused.status).toBe(status)
  const page = await refused.text()
  expect(page).toContain(reason)
  expect(page).toContain('href="/sign-in/sso?next=%2Focto%2Fapp"')
})

test('a change of keys at the provider goes unnoticed', async () => {
  await signIn(server)
  const begun = await begin()
  await provider.rotate()
  expect((await finish(begun)).status).toBe(303)
})

test('a provider that cannot be reached is reported, and asked again later', async () => {
  const gone = await openIdentityProvider()
  const lonely = await openServer({ ...settings, TROVE_SSO_ISSUER: gone.url })
  await gone.close()
  try {
    for (let turn = 0; turn < 2; turn++) {
      const begun = await lonely.send('/sign-in/sso', { token: null })
      expect(begun.status).toBe(503)
      const page = await begun.text()
      expect(page).toMatch(/Cannot reach the provider of single sign-on .*: connect ECONNREFUSED/)
      expect(page).toContain('Or open the sign-in link')
    }
  } finally {
    await lonely.close()
  }
})

const makeToken = async (headers: Record<string, string>, form: string): Promise<Response> =>
  await postAccount(server, headers, form)

test('the account page says who is signed in, what they may do, and until when', async () => {
  Object.assign(provider, { claims: { ...jane, groups: ['acme/dev'] } })
  const page = await server.send('/account', { token: null, headers: await signIn(server) })
  const text = await page.text()
  for (const part of [
    'jane@example.com',
    'write octo/app, write octo/lib, read octo/*',
    'Make a token',
  ])
    expect(text).toContain(part)
  const other = await server.page('/account', { scope: 'read' })
  expect(other).toContain('read octo/app')
  expect(other).not.toContain('Make a token')
})

test.each<[string, object, string, object]>([
  [
    'a reader',
    jane,
    'scope=read&days=7',
    { scope: 'read', access: [{ scope: 'read', projects: 'octo/*' }] },
  ],
  [
    'a writer who only wants to read',
    { ...jane, email: 'jane@elsewhere.example', groups: ['acme/dev'] },
    'scope=read&days=1',
    {
      scope: 'read',
      access: [
        { scope: 'read', projects: 'octo/app' },
        { scope: 'read', projects: 'octo/lib' },
      ],
    },
  ],
  [
    'an administrator',
    { ...jane, groups: ['ops'] },
    'scope=write&days=90',
    { scope: 'write', access: [{ scope: 'write', projects: '**' }] },
  ],
])('%s makes a token for commands, within their access', async (_, claims, form, expected) => {
  Object.assign(provider, { claims })
  const token = await madeToken(await makeToken(await signIn(server), form))
  const current = await server.send('/api/v1/tokens/current', { token })
  expect(await current.json()).toMatchObject({ session: false, project: null, ...expected })
})

test('such a token outlives the session, is listed under its maker, and can be revoked', async () => {
  const headers = await signIn(server)
  const token = await madeToken(await makeToken(headers, 'scope=read&days=7'))
  const status = async (): Promise<number> =>
    (await server.send('/api/v1/tokens/current', { token })).status
  await server.send('/sign-out', {
    method: 'POST',
    token: null,
    headers: { ...headers, origin: publicUrl },
  })
  expect(await status()).toBe(200)
  const admin = await server.token({ project: undefined, scope: 'admin' })
  const list = await server.send('/api/v1/tokens', { token: admin })
  const { items } = (await list.json()) as {
    items: { id: string; session: boolean; mintedBy: { person: string | null } }[]
  }
  const listed = items.find(({ session }) => !session)!
  expect(listed.mintedBy.person).toBe('jane@example.com')
  const revoke = { method: 'POST', token: admin, json: { id: listed.id } }
  expect((await server.send('/api/v1/tokens/revoke', revoke)).status).toBe(200)
  expect(await status()).toBe(401)
})

test('a session that was opened with such a token makes no token, so none prolongs itself', async () => {
  const token = await madeToken(await makeToken(await signIn(server), 'scope=read&days=1'))
  const pasted = await server.send('/sign-in', {
    method: 'POST',
    token: null,
    headers: { origin: publicUrl, 'content-type': 'application/x-www-form-urlencoded' },
    body: `token=${token}`,
  })
  expect(pasted.status).toBe(303)
  const headers = { cookie: `trove_session=${cookiesOf(pasted).get('trove_session')}` }
  const page = await server.send('/account', { token: null, headers })
  expect(page.status).toBe(200)
  expect(await page.text()).not.toContain('Make a token')
  expect((await makeToken(headers, 'scope=read&days=90')).status).toBe(400)
})

test('no session makes a token beyond its access', async () => {
  const reader = await signIn(server)
  expect((await makeToken(reader, 'scope=write&days=7')).status).toBe(400)
  expect((await makeToken(reader, 'scope=admin&days=7')).status).toBe(400)
  expect((await makeToken(reader, 'scope=read&days=9999')).status).toBe(400)
  const session = await server.token({ project: undefined, scope: 'admin' }, 'session')
  expect(
    (await makeToken({ cookie: `trove_session=${session}` }, 'scope=read&days=7')).status,
  ).toBe(400)
  const token = await server.token()
  const byToken = await server.send('/account', {
    method: 'POST',
    token,
    body: 'scope=read&days=7',
  })
  expect(byToken.status).toBe(302)
  const foreign = await server.send('/account', {
    method: 'POST',
    token: null,
    headers: { ...reader, origin: 'https://evil.example' },
    body: 'scope=read&days=7',
  })
  expect(foreign.status).toBe(403)
})

test('equal access of two rules counts once, and no list of projects is too long', async () => {
  const globs = Array.from({ length: 60 }, (_, n) => `acme/a-rather-long-project-name-${n}`)
  const wide = await openServer({
    ...settings,
    TROVE_SSO_ACCESS: `*=read:${globs.join(',')} sub:7=read:${globs.join(',')}`,
  })
  try {
    const { access } = (await describeSession(await signIn(wide), wide)) as { access: object[] }
    expect(access).toEqual(globs.map((projects) => ({ scope: 'read', projects })))
  } finally {
    await wide.close()
  }
})
