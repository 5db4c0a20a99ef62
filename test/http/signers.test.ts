/** Signed URLs are worth nothing once whoever signed them could not read the artifact any more. */
import { cp, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { madeToken, postAccount, publicUrl, settingsFor, signIn } from '../web/browser-sign-in.ts'
import { openIdentityProvider } from './identity-provider.ts'
import { openServer, type SendRequest } from './open-server.ts'
import { runJob } from './run-job.ts'

const hour = 60 * 60 * 1000
const provider = await openIdentityProvider()
const settings = {
  ...settingsFor(provider),
  TROVE_SSO_ACCESS: 'groups:ops=admin groups:qa=read:octo/*',
  TROVE_DOWNLOAD_URL_TTL: '6h',
  TROVE_PUBLIC_PROJECTS: 'octo/open',
}
let server = await openServer(settings)
afterAll(async () => {
  await server.close()
  await provider.close()
})

const id = await server.put('1/site', { tar: [{ name: 'index.html', content: 'the page' }] })
const openId = await server.put('/api/v1/projects/octo/open/runs/1/artifacts/site', {
  token: await server.token({ project: 'octo/open' }),
  tar: [{ name: 'index.html', content: 'the page' }],
})

/** Returns the paths of all URLs that a token, or a browser, can get for an artifact. */
async function signedBy(who: SendRequest, artifact = id, project = 'octo/app'): Promise<string[]> {
  const json = async (query: string): Promise<string> => {
    const path = `/api/v1/artifacts/${artifact}/signed-url${query}`
    return ((await (await server.send(path, who)).json()) as { url: string }).url
  }
  const urls = [await json(''), await json('?path=index.html')]
  if (who.headers === undefined) {
    const zip = `/repos/${project}/actions/artifacts/${artifact}/zip`
    urls.push((await server.send(zip, who)).headers.get('location')!)
  } else {
    const blob = `/${project}/actions/runs/1/artifacts/${artifact}/blob/index.html?confirmed=1`
    const page = await (await server.send(blob, who)).text()
    urls.push(/<iframe[^>]* src="([^"]+)"/.exec(page)![1]!)
  }
  return urls.map((url) => url.replace(/^https?:\/\/[^/]+/, ''))
}

const revoked = 'token that signed the URL was revoked'
const lost = 'signed the URL has lost access to the project'

/** Why the URLs are refused, or null for those that are not. */
async function refusals(paths: string[]): Promise<(string | null)[]> {
  const reasons: (string | null)[] = []
  for (const path of paths) {
    const answer = await server.send(path, { token: null })
    const text = await answer.text()
    const reason = [revoked, lost].find((each) => text.includes(each)) ?? null
    expect(answer.status, text).toBe(reason === null ? 200 : 403)
    reasons.push(reason)
  }
  return reasons
}

const works = [null, null, null]
const times = (reason: string): string[] => [reason, reason, reason]

async function mintWith(token: string, json: TokenRequest): Promise<string> {
  const answer = await server.send('/api/v1/tokens', { method: 'POST', token, json })
  return ((await answer.json()) as { token: string }).token
}

async function revoke(token: string): Promise<void> {
  const request = { method: 'POST', token: null, json: { token } }
  expect((await server.send('/api/v1/tokens/revoke', request)).status).toBe(200)
}

async function revokeProject(project: string): Promise<void> {
  const request = { method: 'POST', token: await server.token({ scope: 'admin' }) }
  const path = `/api/v1/projects/${project}/tokens/revoke`
  expect((await server.send(path, request)).status).toBe(200)
}

test('they end with the token that signed them, and with those that it was minted by', async () => {
  const parent = await server.token()
  const token = await mintWith(parent, { scope: 'read' })
  const [own, inherited, others] = [
    await signedBy({ token: await mintWith(parent, { scope: 'read' }) }),
    await signedBy({ token }),
    await signedBy({ token: await server.token({ expiresInSeconds: 60 }) }),
  ]
  expect(await refusals([...own, ...inherited, ...others])).toEqual([...works, ...works, ...works])
  await revoke(token)
  expect(await refusals(inherited)).toEqual(times(revoked))
  expect(await refusals([...own, ...others])).toEqual([...works, ...works])
  await revoke(parent)
  expect(await refusals(own)).toEqual(times(revoked))
  // The end of a token is none of its URLs.
  server.clock.now += 61_000
  expect(await refusals(others)).toEqual(works)
})

test('a revocation counts for URLs that outlive the token, also when the server is restarted', async () => {
  const token = await server.token({ expiresInSeconds: 3600 })
  const urls = await signedBy({ token })
  await revoke(token)
  server.clock.now += 2 * hour
  await runJob(server, 'gc')
  expect(await refusals(urls)).toEqual(times(revoked))
  await reopen({})
  expect(await refusals(urls)).toEqual(times(revoked))
})

test('signing out ends those of the browser', async () => {
  const token = await server.token()
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const sent = {
    method: 'POST',
    token: null,
    headers: { ...form, origin: publicUrl },
  }
  const body = new URLSearchParams({ token }).toString()
  const signedIn = await server.send('/sign-in', { ...sent, body })
  const cookie = signedIn.headers.get('set-cookie')!.split(';')[0]!
  const urls = await signedBy({ token: null, headers: { cookie } })
  expect(await refusals(urls)).toEqual(works)
  await server.send('/sign-out', { ...sent, headers: { ...sent.headers, cookie } })
  expect(await refusals(urls)).toEqual(times(revoked))
  expect(await refusals(await signedBy({ token }))).toEqual(works)
})

test('they end with all tokens of the project, if it is one of these', async () => {
  const ended = await signedBy({ token: await server.token() })
  const others = [
    await signedBy({ token: await server.token({ scope: 'admin' }) }),
    await signedBy({ token: await server.token({ project: undefined, projects: 'octo/*' }) }),
    await signedBy({ token: await server.token() }, openId, 'octo/open'),
  ].flat()
  await revokeProject('OCTO/app')
  server.clock.now += 1
  expect(await refusals(ended)).toEqual(times(revoked))
  expect(await refusals(others)).toEqual([...works, ...works, ...works])
  expect(await refusals(await signedBy({ token: await server.token() }))).toEqual(works)
})

test('they end when the person who signed them loses the project', async () => {
  const be = (...groups: string[]): void => {
    Object.assign(provider, { claims: { sub: 'jane', groups } })
  }
  be('qa')
  const headers = await signIn(server)
  const token = await madeToken(await postAccount(server, headers, 'scope=read&days=1'))
  const urls = [await signedBy({ token }), await signedBy({ token: null, headers })].flat()
  const ofOpen = await signedBy({ token }, openId, 'octo/open')
  expect(await refusals(urls)).toEqual([...works, ...works])
  be('ops')
  await signIn(server)
  expect(await refusals(urls)).toEqual([...works, ...works])
  be('guests')
  await signIn(server).catch(() => undefined)
  expect(await refusals(urls)).toEqual([...times(lost), ...times(lost)])
  expect(await refusals(ofOpen)).toEqual(works)
})

test('those of visitors end when the project is not public any more', async () => {
  const urls = await signedBy({ token: null }, openId, 'octo/open')
  const own = await signedBy(
    { token: await server.token({ project: 'octo/open' }) },
    openId,
    'octo/open',
  )
  expect(await refusals(urls)).toEqual(works)
  await reopen({ TROVE_PUBLIC_PROJECTS: undefined })
  expect(await refusals(urls)).toEqual(times(lost))
  expect(await refusals(own)).toEqual(works)
})

/** Starts the server anew with a copy of its directory. */
async function reopen(changed: Record<string, string | undefined>): Promise<void> {
  const { now } = server.clock
  const copy = await mkdtemp(join(tmpdir(), 'trove-'))
  await cp(server.dataDir, copy, { recursive: true })
  await server.close()
  server = await openServer({ ...settings, ...changed }, copy)
  server.clock.now = now
}
