/** Listed tokens: which ones, who sees them, and revoking one by id. */
import { expect, test } from 'vitest'
import type { WireMintedToken } from '../../src/api/token-messages.ts'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { openSharedServer } from './open-server.ts'
import { whileDiskRefuses } from '../refusing-disk.ts'

const server = await openSharedServer()
const admin = { scope: 'admin', project: undefined } as const
const days = (count: number): number => count * 86_400
const form = { 'content-type': 'application/x-www-form-urlencoded' }
await server.put('1/a')

async function mint(json: TokenRequest, as: TokenRequest = {}): Promise<string> {
  const token = await server.token({ expiresInSeconds: days(100), ...as })
  const answer = await server.send('/api/v1/tokens', { method: 'POST', token, json })
  expect(answer.status).toBe(201)
  return ((await answer.json()) as { token: string }).token
}

async function list(as: TokenRequest = {}, query = ''): Promise<WireMintedToken[]> {
  const answer = await server.send(`/api/v1/tokens${query}`, { token: await server.token(as) })
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { items: WireMintedToken[] }).items
}

async function statusWith(token: string): Promise<number> {
  return (await server.send('/api/v1/artifacts?project=octo/app', { token })).status
}

async function revokeById(id: string, as: TokenRequest): Promise<number> {
  const token = await server.token(as)
  const path = '/api/v1/tokens/revoke'
  return (await server.send(path, { method: 'POST', token, json: { id } })).status
}

test('long-lived tokens are listed with who minted them, and the list contains no token', async () => {
  await mint({ run: 5, job: 'short' })
  await mint({ run: 5, job: 'long', expiresInSeconds: days(2) })
  const token = await mint({ scope: 'read', expiresInSeconds: days(30) })
  const items = await list()
  expect(items).toMatchObject([
    {
      project: 'octo/app',
      scope: 'read',
      run: null,
      session: false,
      mintedBy: { kind: 'person' },
      state: 'valid',
    },
    { scope: 'job', run: 5, job: 'long' },
  ])
  expect(JSON.stringify(items)).not.toContain(token.slice(0, 20))
  const first = await server.send('/api/v1/tokens?limit=1')
  const { nextCursor } = (await first.json()) as { nextCursor: string }
  expect(await list({}, `?limit=1&cursor=${nextCursor}`)).toMatchObject([{ job: 'long' }])
})

/** Returns the cookie. */
async function signIn(): Promise<string> {
  const token = await server.token({ scope: 'read', expiresInSeconds: days(3) })
  const answer = await server.send('/sign-in', {
    method: 'POST',
    token: null,
    headers: { origin: server.url, ...form },
    body: new URLSearchParams({ token }).toString(),
  })
  expect(answer.status).toBe(303)
  return answer.headers.get('set-cookie')?.split(';')[0] ?? ''
}

test('signing in works but is not listed while the disk accepts no writes', async () => {
  const cookie = await whileDiskRefuses(signIn)
  expect((await server.send('/octo/app', { token: null, headers: { cookie } })).status).toBe(200)
})

test('a signed-in browser is listed until its session ends', async () => {
  const cookie = await signIn()
  const [session] = await list()
  expect(session).toMatchObject({ session: true, scope: 'read', state: 'valid' })
  const visit = async (): Promise<number> =>
    (await server.send('/octo/app', { token: null, headers: { cookie } })).status
  expect(await visit()).toBe(200)
  expect(await revokeById(session!.id, {})).toBe(200)
  expect(await visit()).toBe(302)
  expect((await list())[0]).toMatchObject({ id: session!.id, state: 'revoked' })
})

test('tokens are seen and revoked by writers of their project', async () => {
  const token = await mint({ scope: 'write', expiresInSeconds: days(30) })
  const [{ id } = { id: '' }] = await list()
  const other = { project: 'octo/other' }
  const hidden = await mint({ scope: 'admin', expiresInSeconds: days(30) }, admin)
  expect((await list()).map(({ scope }) => scope)).not.toContain('admin')
  const [ofAdmin] = await list(admin)
  expect(ofAdmin).toMatchObject({ scope: 'admin', project: null })
  const asked = async (as: TokenRequest, query = ''): Promise<number> =>
    (await server.send(`/api/v1/tokens${query}`, { token: await server.token(as) })).status
  expect(await asked({ scope: 'read' })).toBe(403)
  expect(await asked(other, '?project=octo/app')).toBe(404)
  expect(await list(other)).toEqual([])
  expect(await revokeById(id, other)).toBe(404)
  expect(await revokeById(id, { scope: 'read' })).toBe(404)
  expect(await revokeById(ofAdmin!.id, {})).toBe(404)
  expect([await statusWith(token), await statusWith(hidden)]).toEqual([200, 200])
  const nobody = { method: 'POST', token: null, json: { id } }
  expect((await server.send('/api/v1/tokens/revoke', nobody)).status).toBe(401)
  const both = { method: 'POST', token: null, json: { id, token } }
  expect((await server.send('/api/v1/tokens/revoke', both)).status).toBe(400)
  expect(await revokeById(id, {})).toBe(200)
  expect(await statusWith(token)).toBe(401)
  const audit = await server.send('/api/v1/audit?kind=revoke&limit=1')
  expect(await audit.json()).toMatchObject({
    items: [{ kind: 'revoke', details: { token: { id } }, by: { kind: 'person' } }],
  })
})

test('descendants of a revoked token are listed as revoked, and ended tokens are removed', async () => {
  const parent = await mint({ scope: 'write', expiresInSeconds: days(50) })
  const answer = await server.send('/api/v1/tokens', {
    method: 'POST',
    token: parent,
    json: { scope: 'read', expiresInSeconds: days(20) },
  })
  expect(answer.status).toBe(201)
  const [child, { id } = { id: '' }] = await list()
  expect(await revokeById(id, {})).toBe(200)
  expect((await list())[0]).toMatchObject({ id: child!.id, state: 'revoked' })
})

test('pages ask before they revoke, and a form of another site revokes nothing', async () => {
  const address = '/octo/app/settings/tokens'
  const token = await mint({ scope: 'read', expiresInSeconds: days(30) })
  const [{ id } = { id: '' }] = await list()
  const text = await (await server.visit(address)).text()
  expect(text).toContain(`href="${address}?revoke=${id}"`)
  expect(text).toContain('trove token')
  const asked = await (await server.visit(`${address}?revoke=${id}`)).text()
  expect(asked).toMatch(new RegExp(`<button name="revoke" value="${id}"`))
  const post = async (revoke: string, origin: string, visitor = {}, path = address) =>
    await server.visit(path, visitor, {
      method: 'POST',
      headers: { ...form, origin },
      body: new URLSearchParams({ revoke }).toString(),
    })
  expect((await post(id, 'http://elsewhere.example')).status).toBe(403)
  expect(await statusWith(token)).toBe(200)
  expect((await post(id, server.url)).headers.get('location')).toBe(address)
  expect(await statusWith(token)).toBe(401)
  const fresh = await mint({ scope: 'read', expiresInSeconds: days(30) })
  server.clock.now += 1
  expect(await (await server.visit(`${address}?revoke=all`)).text()).toContain('Revoke all tokens?')
  expect((await post('all', server.url, admin)).status).toBe(303)
  expect(await statusWith(fresh)).toBe(401)
  server.clock.now += 1
  const pages: [string, object, number][] = [
    [address, { scope: 'read' }, 403],
    [address, { project: 'octo/other' }, 404],
    ['/admin/tokens', {}, 403],
    ['/admin/tokens', admin, 200],
    [`${address}?revoke=${'0'.repeat(32)}`, {}, 404],
  ]
  for (const [path, visitor, status] of pages)
    expect([path, (await server.visit(path, visitor)).status]).toEqual([path, status])
})
