/** Behaviour shared by all routes: request ids, headers, sign-in, operation routes, unknown
 *  routes. */
import { once } from 'node:events'
import { readFile, statfs } from 'node:fs/promises'
import http from 'node:http'
import { connect } from 'node:net'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { readServerConfig } from '../../src/config/config.ts'
import { limits } from '../../src/core/limits.ts'
import { createLog } from '../../src/log.ts'
import { startServer } from '../../src/server.ts'
import { openRig, type Rig } from '../actions/rig.ts'
import { makeDirectory } from '../client/tree.ts'
import { documentPath } from './document-path.ts'

let rig: Rig

beforeAll(async () => {
  rig = await openRig()
  return rig.close
})

async function visit(path: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(path.startsWith('http') ? path : rig.url + path, {
    redirect: 'manual',
    ...init,
  })
}

function cookieOf(response: Response): string {
  return response.headers.get('set-cookie')?.split(';')[0] ?? ''
}

test('liveness and readiness require no token', async () => {
  expect((await visit('/healthz')).status).toBe(200)
  expect((await visit('/readyz')).status).toBe(200)
})

test('metrics are Prometheus text; they require a token unless the request comes directly from loopback', async () => {
  await visit('/healthz')
  const response = await visit('/metrics')
  expect(response.headers.get('content-type')).toContain('version=0.0.4')
  const text = await response.text()
  expect(text).toMatch(/^trove_requests_total\{group="operation",status="2xx"\} \d+$/m)
  expect(text).toMatch(/^trove_store_stored_bytes \d+$/m)
  for (const line of text.trimEnd().split('\n'))
    expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{[^}]+\})? [\d.e+-]+)$/)
  // Present before the first event, or an alert would miss that event.
  for (const sample of [
    'trove_failures_total{code="quota_exceeded"} 0',
    'trove_failures_total{code="storage_failed"} 0',
    'trove_failures_total{code="storage_full"} 0',
    'trove_jobs_total{kind="backup",outcome="failed"} 0',
    'trove_store_damaged_artifacts 0',
    'trove_store_writable 1',
  ])
    expect(text.split('\n')).toContain(sample)
  const { bavail, bsize } = await statfs(rig.dataDir)
  const free = Number(/^trove_disk_free_bytes (\d+)$/m.exec(text)?.[1])
  expect(Math.abs(free - bavail * bsize)).toBeLessThan(1024 ** 3)
  for (const name of ['forwarded', 'via', 'x-real-ip', 'x-forwarded-for'])
    expect((await visit('/metrics', { headers: { [name]: '192.0.2.1' } })).status).toBe(401)
  const headers = { 'x-forwarded-for': '192.0.2.1' }
  const authorization = `Bearer ${await rig.token({ scope: 'read' })}`
  expect((await visit('/metrics', { headers: { ...headers, authorization } })).status).toBe(200)
})

test('every metric in the alerts is exported', async () => {
  const rules = new URL('../../deploy/prometheus-rules.yml', import.meta.url)
  const alerts = await readFile(rules, 'utf8')
  const text = await (await visit('/metrics')).text()
  const exported = new Set(Array.from(text.matchAll(/^# TYPE (\w+)/gm), ([, name]) => name))
  const named = Array.from(alerts.matchAll(/trove_\w+/g), ([name]) => name)
  expect(named.length).toBeGreaterThan(4)
  for (const name of named) expect(exported).toContain(name)
})

test('metrics require a token behind a proxy that passes on only the host', async () => {
  const statusFor = async (host: string): Promise<number | undefined> => {
    const request = http.get(`${rig.url}/metrics`, { headers: { host }, agent: false })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    response.resume()
    return response.statusCode
  }
  for (const host of ['localhost', 'localhost:7878', '127.0.0.1:1', '[::1]:7878'])
    expect([host, await statusFor(host)]).toEqual([host, 200])
  for (const host of ['store.example.com', '127.0.0.1.example.com', '192.0.2.1'])
    expect([host, await statusFor(host)]).toEqual([host, 401])
})

test('failures are counted by code', async () => {
  const count = async (): Promise<number> =>
    Number(
      /^trove_failures_total\{code="unauthenticated"\} (\d+)$/m.exec(
        await (await visit('/metrics')).text(),
      )?.[1] ?? 0,
    )
  const before = await count()
  await visit('/api/v1/artifacts')
  await visit('/api/v1/artifacts')
  expect(await count()).toBe(before + 2)
})

test("every response has a request id, which is also in the request's log line", async () => {
  const response = await visit('/api/v1/artifacts')
  const id = response.headers.get('x-request-id')
  expect(id).toMatch(/^[0-9a-f]{16}$/)
  const line = rig.logLines
    .map((each) => JSON.parse(each) as Record<string, unknown>)
    .find((each) => each['requestId'] === id)
  expect(line).toMatchObject({
    method: 'GET',
    path: '/api/v1/artifacts',
    status: 401,
    failure: 'unauthenticated',
  })
})

test.each([undefined, 'application/x-tar', 'application/zip'])(
  'an upload whose client hangs up is logged and no longer counted as in flight (%s)',
  async (contentType) => {
    const path = '/api/v1/projects/octo/demo/runs/1/artifacts/half'
    const request = http.request(rig.url + path, {
      method: 'PUT',
      agent: false,
      headers: {
        authorization: `Bearer ${await rig.token({ scope: 'write' })}`,
        ...(contentType !== undefined && { 'content-type': contentType }),
      },
    })
    request.on('error', () => undefined)
    const seen = rig.logLines.length
    // Half a header is not yet an invalid tar.
    request.write(Buffer.alloc(256))
    const arriving = async (): Promise<boolean> =>
      (await (await visit('/metrics')).text()).includes('trove_requests_in_flight 2')
    await expect.poll(arriving).toBe(true)
    request.destroy()
    const line = (): unknown => {
      const last = rig.logLines.slice(seen).find((each) => each.includes(path))
      return last === undefined ? undefined : JSON.parse(last)
    }
    await expect.poll(line).toMatchObject({ level: 'info', message: 'request', method: 'PUT' })
    expect(['aborted 499', 'incomplete_body 400']).toContain(
      [(line() as Failed).failure, (line() as Failed).status].join(' '),
    )
    expect(await (await visit('/metrics')).text()).toContain('trove_requests_in_flight 1')
  },
)

interface Failed {
  failure: string
  status: number
}

test('no credential of a URL is logged, neither from the query nor from the path of a document', async () => {
  const document = await documentPath(rig.dataDir, {
    artifactId: 7,
    path: 'a/index.html',
    now: Date.now(),
  })
  for (const path of [document, document.replaceAll('.', '%2E'), '/content/x?sig=y', '/content/'])
    expect((await visit(path)).status).toBeGreaterThanOrEqual(400)
  const [, secret = ''] = /\.([\w-]{43})\./.exec(document) ?? []
  const lines = rig.logLines.filter((line) => line.includes('/content/'))
  expect(lines.map((line) => (JSON.parse(line) as { path: string }).path)).toEqual([
    '/content/7…/a/index.html',
    '/content/7…/a/index.html',
    '/content/…',
    '/content/',
  ])
  expect(secret).toHaveLength(43)
  for (const line of rig.logLines) expect(line).not.toContain(secret)
})

test('unknown routes below /api return problem+json to every client', async () => {
  for (const path of ['/api/v1', '/api/v1/nothing', '/api/x']) {
    const response = await visit(path, { headers: { accept: 'text/html' } })
    expect([path, response.status, response.headers.get('content-type')]).toEqual([
      path,
      404,
      'application/problem+json',
    ])
    expect(await response.json()).toMatchObject({ code: 'not_found', status: 404 })
  }
})

test('a method that a path does not support is rejected with the supported ones', async () => {
  for (const [method, path, allow] of [
    ['DELETE', '/api/v1/stats', 'HEAD, GET'],
    ['DELETE', '/api/v1/tokens', 'HEAD, GET, POST'],
    ['PUT', '/api/v1/artifacts/1', 'HEAD, GET, PATCH, DELETE'],
    ['POST', '/healthz', 'HEAD, GET'],
    ['PUT', '/octo/demo', 'HEAD, GET'],
  ] as const) {
    const response = await visit(path, { method })
    expect([path, response.status, response.headers.get('allow')]).toEqual([path, 405, allow])
    expect(await response.json()).toMatchObject({ code: 'method_not_allowed', status: 405 })
  }
  const page = await visit('/octo/demo/actions/runs/1/artifacts/1/undo', {
    headers: { accept: 'text/html' },
  })
  expect([page.status, page.headers.get('allow')]).toEqual([405, 'POST'])
  // `/:owner/:repo/upload` is a page, but it is not reachable below `/api`.
  expect((await visit('/api/v1/upload', { method: 'POST' })).status).toBe(404)
})

test("unknown REST routes respond in GitHub's format and say that the route is unknown", async () => {
  for (const path of ['/api/v3/repos/octo/demo/pulls', '/repos/octo/demo/issues/1']) {
    const response = await visit(path)
    expect(response.status).toBe(404)
    const message = `Not Found: this server implements only the artifact and run routes of GitHub's REST API, not GET ${path}`
    expect(await response.json()).toEqual({ message, status: '404' })
  }
})

test('the printed link signs a browser in, with a cookie for the pages of this host only', async () => {
  const response = await visit(rig.server.signInUrl)
  expect(response.status).toBe(303)
  expect(response.headers.get('location')).toBe('/')
  expect(response.headers.get('set-cookie')).toMatch(
    /^trove_session=[\w.-]+;.*HttpOnly.*SameSite=Lax/i,
  )
  const cookie = cookieOf(response)
  expect((await visit('/')).status).toBe(302)
  const page = await visit('/', { headers: { cookie } })
  expect(page.status).toBe(200)
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(page.headers.get('x-frame-options')).toBe('DENY')
  expect((await visit('/api/v1/artifacts', { headers: { cookie } })).status).toBe(200)
})

test('over TLS no other host of the domain can set the session cookie', async () => {
  const publicUrl = 'https://store.example.com'
  const other = await openRig({ environment: { TROVE_PUBLIC_URL: publicUrl } })
  onTestFinished(other.close)
  const link = other.server.signInUrl.replace(publicUrl, other.url)
  const signedIn = await visit(link)
  const { name, session } = /^(?<name>[^=]+)=(?<session>[^;]+)/.exec(cookieOf(signedIn))!.groups!
  expect(name).toBe('__Host-trove_session')
  expect(signedIn.headers.get('set-cookie')).toMatch(/^(?!.*Domain=).*Path=\/;.*Secure/i)
  const statusWith = async (cookie: string): Promise<number> =>
    (await visit(`${other.url}/`, { headers: { cookie } })).status
  expect(await statusWith(`trove_session=${session}`)).toBe(302)
  expect(await statusWith(`${name}=${session}`)).toBe(200)
  const headers = { origin: publicUrl, cookie: `${name}=${session}` }
  const signedOut = await visit(`${other.url}/sign-out`, { method: 'POST', headers })
  expect(signedOut.headers.get('set-cookie')).toMatch(
    /^__Host-trove_session=;.*Max-Age=0.*Path=\/.*Secure/i,
  )
  expect(await statusWith(headers.cookie)).toBe(302)
})

test('the sign-in link of a server that listens on all addresses leads to this machine', async () => {
  const config = readServerConfig({ data: await makeDirectory(), host: '0.0.0.0', port: '0' }, {})
  const server = await startServer(config, { log: createLog('error') })
  onTestFinished(async () => await server.close())
  expect(new URL(server.url).hostname).toBe('0.0.0.0')
  expect(new URL(server.signInUrl).hostname).toBe('127.0.0.1')
})

test('sign-in links, API tokens and sessions are not accepted in place of each other', async () => {
  const link = new URL(rig.server.signInUrl).searchParams.get('token') ?? ''
  const api = await rig.token({ scope: 'admin' })
  const session = cookieOf(await visit(rig.server.signInUrl)).slice('trove_session='.length)
  for (const token of [link, session]) {
    expect(
      (await visit('/api/v1/artifacts', { headers: { authorization: `Bearer ${token}` } })).status,
    ).toBe(401)
  }
  for (const token of [api, session, 'x'])
    expect((await visit(`/sign-in?token=${token}`)).status).toBe(401)
  expect(
    (await visit('/api/v1/artifacts', { headers: { cookie: `trove_session=${api}` } })).status,
  ).toBe(401)
})

test('a sign-in link expires after an hour', async () => {
  const other = await openRig()
  try {
    other.advance(61 * 60 * 1000)
    expect((await visit(other.server.signInUrl)).status).toBe(401)
  } finally {
    await other.close()
  }
})

test('a pasted token signs in with its own rights only, and only from our own form', async () => {
  const body = new URLSearchParams({
    token: await rig.token({ scope: 'read' }),
    next: '/octo/demo',
  })
  const headers = { origin: rig.url }
  const response = await visit('/sign-in', { method: 'POST', body, headers })
  expect(response.headers.get('location')).toBe('/octo/demo')
  const cookie = cookieOf(response)
  expect((await visit('/api/v1/stats', { headers: { cookie } })).status).not.toBe(401)
  for (const foreign of [{}, { origin: 'http://evil.example' }]) {
    const refused = await visit('/sign-in', { method: 'POST', body, headers: foreign })
    expect([refused.status, refused.headers.get('content-type')]).toEqual([
      403,
      'text/html; charset=utf-8',
    ])
  }
})

test('a request without a session can send no more than a token', async () => {
  const body = new URLSearchParams({ token: 'x'.repeat(limits.strangerBodyBytesMax) })
  const refused = await visit('/sign-in', { method: 'POST', body, headers: { origin: rig.url } })
  expect([refused.status, await refused.text()]).toEqual([
    413,
    expect.stringContaining('Bytes of a form must be at most'),
  ])
  const json = JSON.stringify({ token: 'x'.repeat(limits.strangerBodyBytesMax) })
  const answer = await visit('/api/v1/tokens/revoke', { method: 'POST', body: json })
  expect([answer.status, await answer.json()]).toMatchObject([413, { code: 'too_large' }])
})

test('the session of a long-lived token lasts as long as browsers keep a cookie', async () => {
  const body = new URLSearchParams({
    token: await rig.token({ scope: 'read', expiresInSeconds: 5 * 365 * 86_400 }),
  })
  const before = Date.now()
  const response = await visit('/sign-in', { method: 'POST', body, headers: { origin: rig.url } })
  expect(response.status).toBe(303)
  const expires = /Expires=([^;]+)/.exec(response.headers.get('set-cookie') ?? '')?.[1] ?? ''
  expect(Math.abs(Date.parse(expires) - before - 400 * 86_400_000)).toBeLessThan(60_000)
  expect((await visit('/', { headers: { cookie: cookieOf(response) } })).status).toBe(200)
})

test('signing in never redirects to another host', async () => {
  const outside = ['//evil.example', 'http://evil.example', '/\\evil.example', '\\evil', 'x']
  const hidden = ['\t', '\n', '\r', ' ', '\0', '\u0085', '\u00a0'].map(
    (gap) => `/${gap}/evil.example`,
  )
  for (const next of [...outside, ...hidden, '/a b', '/a\\b', '/a\t']) {
    const response = await visit(`${rig.server.signInUrl}&next=${encodeURIComponent(next)}`)
    expect(response.headers.get('location')).toBe('/')
  }
  const inside = await visit(
    `${rig.server.signInUrl}&next=${encodeURIComponent('/octo/demo?page=2')}`,
  )
  expect(inside.headers.get('location')).toBe('/octo/demo?page=2')
})

test('the cookie alone changes nothing: state-changing requests need our own origin', async () => {
  const cookie = cookieOf(await visit(rig.server.signInUrl))
  const remove = async (headers: Record<string, string>): Promise<number> =>
    (await visit('/api/v1/artifacts/999999', { method: 'DELETE', headers: { cookie, ...headers } }))
      .status
  expect(await remove({})).toBe(403)
  expect(await remove({ origin: 'http://evil.example' })).toBe(403)
  expect(await remove({ origin: rig.url })).toBe(404)
})

test('signing out removes the cookie', async () => {
  const headers = { origin: rig.url, cookie: cookieOf(await visit(rig.server.signInUrl)) }
  const response = await visit('/sign-out', { method: 'POST', headers })
  expect(response.headers.get('set-cookie')).toMatch(/trove_session=;.*Max-Age=0/)
})

test('a request whose target and Host make up no URL is rejected with a reason', async () => {
  const { port } = new URL(rig.url)
  const ask = async (host: string, path: string): Promise<[number | undefined, string]> => {
    const request = http.get({ host: '127.0.0.1', port, path, headers: { host } })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const [body] = (await once(response, 'data')) as [Buffer]
    return [response.statusCode, (JSON.parse(body.toString()) as { detail: string }).detail]
  }
  const reason = 'the request target and the only Host header must make up a valid URL'
  for (const host of ['1.2.3.256', 'a/b', 'a:99999', '[::1'])
    for (const path of ['/api/v1/search?path=a', '/octo/app', '/dav/'])
      expect([host, path, ...(await ask(host, path))]).toEqual([host, path, 400, reason])
  expect(await ask('localhost', '/a\\b')).toEqual([400, reason])
  const socket = connect(Number(port), '127.0.0.1').setEncoding('utf8')
  socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\nhost: b\r\nConnection: close\r\n\r\n')
  let answer = ''
  for await (const piece of socket) answer += piece as string
  expect(answer).toMatch(/^HTTP\/1.1 400 [^]*the only Host header/)
})

test.each([
  [431, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n`, 'must have at most 16384 bytes'],
  [431, `GET / HTTP/1.1\r\nCookie: ${'a'.repeat(20_000)}\r\n`, 'must have at most 16384 bytes'],
  [400, 'NO HTTP\r\n', 'the request is not valid HTTP: Invalid method encountered'],
  [400, 'GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n', 'Invalid character in Content-Length'],
  [400, chunked('nonsense\r\n'), 'the request is not valid HTTP: Invalid character in chunk size'],
  [413, chunked(`1;${'x'.repeat(20_000)}\r\n`), 'more than 16384 bytes of extensions'],
])('what Node cannot parse is rejected with a reason (%d)', async (status, text, detail) => {
  const socket = connect(Number(new URL(rig.url).port), '127.0.0.1').setEncoding('utf8')
  socket.write(text)
  let answer = ''
  for await (const piece of socket) answer += piece as string
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} [A-Z]`))
  expect(head).toContain(`Content-Length: ${body.length}`)
  expect(JSON.parse(body)).toMatchObject({ status, detail: expect.stringContaining(detail) })
})

function chunked(body: string): string {
  return `PUT /api/v1/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${body}`
}
