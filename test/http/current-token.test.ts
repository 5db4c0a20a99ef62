/** `GET /tokens/current`: what a token, or the session of a browser, grants. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { WireCurrentToken, WireMintedToken } from '../../src/api/token-messages.ts'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { openSharedServer, problemOf } from './open-server.ts'

const server = await openSharedServer()
const path = '/api/v1/tokens/current'

async function describe(as: TokenRequest): Promise<WireCurrentToken> {
  const answer = await server.send(path, { token: await server.token(as) })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('cache-control')).toBe('no-store')
  return (await answer.json()) as WireCurrentToken
}

test.each<[string, TokenRequest, Partial<WireCurrentToken>]>([
  [
    'job',
    { scope: 'job', run: 7, attempt: 2, job: 'build (x64)' },
    { scope: 'job', project: 'octo/app', run: 7, attempt: 2, job: 'build (x64)' },
  ],
  ['run', { scope: 'run', run: 7, job: 'a' }, { scope: 'run', run: 7, attempt: 1, job: 'a' }],
  ['read', { scope: 'read' }, { scope: 'read', project: 'octo/app', run: null, job: null }],
  ['write', { project: 'acme/platform/api' }, { scope: 'write', project: 'acme/platform/api' }],
  ['admin', { scope: 'admin', project: undefined }, { scope: 'admin', project: null }],
  ['admin that names a project', { scope: 'admin' }, { scope: 'admin', project: null }],
])('a token of scope %s is described by what it grants', async (_, as, expected) => {
  expect(await describe(as)).toMatchObject({ ...expected, session: false })
})

test('the answer has the expiry and the version of the server, and no secret', async () => {
  const token = await server.token({ expiresInSeconds: 3600 })
  const answer = await server.send(path, { token })
  const text = await answer.text()
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }
  const described = JSON.parse(text) as WireCurrentToken
  expect(described.serverVersion).toBe(version)
  const endsAt = Math.floor((server.clock.now + 3_600_000) / 1000) * 1000
  expect(described.expiresAt).toBe(new Date(endsAt).toISOString())
  for (const part of token.split('.')) expect(text).not.toContain(part)
})

test('the id is the one under which the token is listed and can be revoked', async () => {
  const minting = { method: 'POST', json: { scope: 'write', expiresInSeconds: 90 * 86_400 } }
  const minted = await server.send('/api/v1/tokens', minting)
  const { token } = (await minted.json()) as { token: string }
  const { id } = (await (await server.send(path, { token })).json()) as WireCurrentToken
  const listed = (await (await server.send('/api/v1/tokens')).json()) as {
    items: WireMintedToken[]
  }
  expect(listed.items.map((each) => each.id)).toContain(id)
  await server.send('/api/v1/tokens/revoke', { method: 'POST', json: { id } })
  expect(await problemOf(await server.send(path, { token }))).toMatchObject({
    status: 401,
    body: { detail: 'the token was revoked' },
  })
})

test('a browser that is signed in sees its session, also where it sends no Origin', async () => {
  const answer = await server.visit(path, { scope: 'read' })
  expect(await answer.json()).toMatchObject({ scope: 'read', project: 'octo/app', session: true })
})

test('the header counts where a request has a cookie as well', async () => {
  const token = await server.token({ scope: 'job', run: 7, job: 'build' })
  const headers = { authorization: `Bearer ${token}` }
  const answer = await server.visit(path, { scope: 'read' }, { headers })
  expect(await answer.json()).toMatchObject({ scope: 'job', session: false })
})

test('no token, an expired one and one for another use are refused with the reason', async () => {
  const expired = await server.token({ expiresInSeconds: -1 })
  const session = await server.token({}, 'session')
  for (const [token, reason] of [
    [null, 'authentication required'],
    ['nonsense', 'not issued by this server'],
    [expired, 'the token expired at'],
    [session, 'a session token is not accepted here'],
  ] as const) {
    expect(await problemOf(await server.send(path, { token }))).toMatchObject({
      status: 401,
      code: 'unauthenticated',
      body: { detail: expect.stringContaining(reason) },
    })
  }
})
