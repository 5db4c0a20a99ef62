/** `POST /tokens/exchange`: exchanges a job's ID token, and nothing else, for a token. */
import dns from 'node:dns'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { readTokenClaims } from '../../src/core/access/token-claims.ts'
import { gitHubClaims, gitLabClaims, type Issuer, openIssuer } from './issuer.ts'
import { openServer, type TestServer } from './open-server.ts'

const publicUrl = 'https://store.example.com'
const path = '/api/v1/tokens/exchange'

let issuer: Issuer
let server: TestServer
beforeAll(async () => {
  issuer = await openIssuer(publicUrl)
  server = await openServer({
    TROVE_PUBLIC_URL: publicUrl,
    TROVE_OIDC: `https://elsewhere.example.com=*/* ${issuer.url}=octo/a* ${issuer.url}=acme/**`,
  })
})
afterAll(async () => {
  await server.close()
  await issuer.close()
})

interface Exchanged {
  status: number
  token: string
  detail: string
  code: string
}

async function exchange(idToken: string, further: object = { job: 'build' }): Promise<Exchanged> {
  const json = { idToken, ...further }
  const answer = await server.send(path, { method: 'POST', token: null, json })
  return { status: answer.status, ...((await answer.json()) as Omit<Exchanged, 'status'>) }
}

test('a job gets a token that may write to its own run and nowhere else', async () => {
  const { status, token } = await exchange(await issuer.sign(gitHubClaims))
  expect(status).toBe(201)
  expect(readTokenClaims(token)).toEqual({ project: 'octo/app', run: 22_259_804_324 })
  const place = '/api/v1/projects/octo/app/runs'
  const put = async (run: number): Promise<Response> =>
    await server.send(`${place}/${run}/artifacts/a?job=build&attempt=2`, {
      method: 'PUT',
      token,
      body: 'content',
    })
  const made = await put(22_259_804_324)
  expect(made.status).toBe(201)
  expect(await made.json()).toMatchObject({
    project: 'octo/app',
    attempt: 2,
    job: 'build',
    branch: 'main',
    sha: gitHubClaims.sha,
    workflow: 'CI',
    event: 'push',
  })
  expect((await put(1)).status).toBe(403)
  const json = { project: 'octo/app', scope: 'read' }
  expect((await server.send('/api/v1/tokens', { method: 'POST', token, json })).status).toBe(403)
})

test('the token describes itself as the job that the ID token names; the ID token is no token', async () => {
  const idToken = await issuer.sign(gitLabClaims)
  const { token } = await exchange(idToken, { scope: 'run' })
  const answer = await server.send('/api/v1/tokens/current', { token })
  expect(await answer.json()).toMatchObject({
    scope: 'run',
    project: 'octo/app',
    run: 739,
    session: false,
  })
  expect((await server.send('/api/v1/tokens/current', { token: idToken })).status).toBe(401)
})

test('GitLab tokens name the job themselves', async () => {
  const { status, token } = await exchange(await issuer.sign(gitLabClaims), {})
  expect(status).toBe(201)
  expect(readTokenClaims(token)).toEqual({ project: 'octo/app', run: 739 })
  const unnamed = await exchange(await issuer.sign(gitHubClaims), {})
  expect(unnamed).toMatchObject({ status: 400, code: 'invalid_request' })
})

test('GitLab tokens of subgroups belong to their project, if the issuer is trusted for everything below a group', async () => {
  const project = 'acme/platform/api'
  const nested = { ...gitLabClaims, project_path: project }
  const { status, token } = await exchange(await issuer.sign(nested), {})
  expect(status).toBe(201)
  expect(readTokenClaims(token)).toEqual({ project, run: 739 })
  const put = { method: 'PUT', token, body: 'content' }
  const path = '/api/v1/projects/acme~platform/api/runs/739/artifacts/a'
  expect((await server.send(path, put)).status).toBe(201)
})

test('every algorithm whose keys can be published is accepted, and an audience among others', async () => {
  const algorithms = ['PS256', 'RS512', 'ES256', 'ES512', 'EdDSA', 'Ed25519']
  const issuers = await Promise.all(algorithms.map((each) => openIssuer(publicUrl, each)))
  const own = await openServer({
    TROVE_PUBLIC_URL: publicUrl,
    TROVE_OIDC: issuers.map(({ url }) => `${url}=octo/app`).join(' '),
  })
  try {
    const statuses = await Promise.all(
      issuers.map(async (each) => {
        const audience = ['https://other.example.com', publicUrl]
        const json = { idToken: await each.sign(gitHubClaims, { audience }), job: 'build' }
        return (await own.send(path, { method: 'POST', token: null, json })).status
      }),
    )
    expect(statuses).toEqual(algorithms.map(() => 201))
  } finally {
    await own.close()
    for (const each of issuers) await each.close()
  }
})

describe('is rejected', () => {
  const cases: [string, () => Promise<string>, string][] = [
    ['text that is not a token', async () => await Promise.resolve('a.b.c'), 'not an ID token'],
    [
      'a token whose issuer is not text',
      async () =>
        await Promise.resolve(`e30.${Buffer.from('{"iss":5}').toString('base64url')}.c2ln`),
      'not an ID token',
    ],
    [
      'an issuer that is not trusted',
      async () => await issuer.sign(gitHubClaims, { issuer: 'https://evil.example.com' }),
      'https://evil.example.com are not trusted',
    ],
    [
      'a signature by somebody else',
      async () => await issuer.sign(gitHubClaims, { by: 'a stranger' }),
      'was not signed by',
    ],
    [
      'a token for another audience',
      async () => await issuer.sign(gitHubClaims, { audience: 'https://other.example.com' }),
      `issued for the audience ${publicUrl}`,
    ],
    [
      'an expired token',
      async () => await issuer.sign(gitHubClaims, { now: Date.now() - 3_600_000 }),
      'expired',
    ],
    [
      'a token that does not belong to a job',
      async () => await issuer.sign({ sub: 'a person' }),
      'does not belong to a job',
    ],
    [
      'a token without a signature',
      async () => {
        const [, payload] = (await issuer.sign(gitHubClaims)).split('.')
        return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`
      },
      'was not signed by',
    ],
    [
      'a token signed with the published key as a shared secret',
      async () => {
        const [, payload] = (await issuer.sign(gitHubClaims)).split('.')
        return `${Buffer.from('{"alg":"HS256"}').toString('base64url')}.${payload}.c2ln`
      },
      'was not signed by',
    ],
    [
      'a token that does not name its key',
      async () => {
        const [, payload] = (await issuer.sign(gitHubClaims)).split('.')
        return `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.${payload}.c2ln`
      },
      'was not signed by',
    ],
  ]
  test.each(cases)('%s', async (_name, idToken, reason) => {
    expect(await exchange(await idToken())).toMatchObject({
      status: 401,
      code: 'unauthenticated',
      detail: expect.stringContaining(reason),
    })
  })

  test('a project that the issuer is not trusted for', async () => {
    const claims = { ...gitHubClaims, repository: 'octo/other' }
    expect(await exchange(await issuer.sign(claims))).toMatchObject({
      status: 403,
      detail: expect.stringContaining('not trusted for octo/other'),
    })
    // `octo/a*` matches a single level.
    const nested = { ...gitLabClaims, project_path: 'octo/app/deeper' }
    expect(await exchange(await issuer.sign(nested))).toMatchObject({ code: 'forbidden' })
  })

  test('a request for more rights than a job may have', async () => {
    const idToken = await issuer.sign(gitHubClaims)
    expect((await exchange(idToken, { job: 'build', scope: 'write' })).status).toBe(400)
    expect((await exchange(idToken, { job: 'build', project: 'octo/app' })).status).toBe(400)
    const { token } = await exchange(idToken, { job: 'build', scope: 'run' })
    expect((await server.send(`/api/v1/digests/sha256:${'0'.repeat(64)}`, { token })).status).toBe(
      403,
    )
  })

  test('every token, if no issuer is trusted', async () => {
    const plain = await openServer()
    try {
      const json = { idToken: await issuer.sign(gitHubClaims), job: 'build' }
      const answer = await plain.send(path, { method: 'POST', token: null, json })
      expect(answer.status).toBe(401)
      expect(await answer.text()).toContain('TROVE_OIDC')
    } finally {
      await plain.close()
    }
  })
})

test('keys are cached, and fetched again when the issuer has a new one', async () => {
  const own = await openServer({ TROVE_PUBLIC_URL: publicUrl, TROVE_OIDC: `${issuer.url}=*/*` })
  const send = async (): Promise<number> => {
    const json = { idToken: await issuer.sign(gitHubClaims), job: 'build' }
    return (await own.send(path, { method: 'POST', token: null, json })).status
  }
  try {
    issuer.requests = []
    issuer.failure = 503
    expect(await send()).toBe(503)
    issuer.failure = undefined
    expect(await Promise.all([send(), send(), send()])).toEqual([201, 201, 201])
    const discovery = '/.well-known/openid-configuration'
    expect(issuer.requests).toEqual([discovery, discovery, '/keys'])
    issuer.failure = 503
    expect(await send()).toBe(201)
  } finally {
    issuer.failure = undefined
    await own.close()
  }
})

test('an issuer that none of its addresses answers for is reported with the reason', async () => {
  const gone = await openIssuer(publicUrl)
  const url = gone.url.replace('127.0.0.1', 'localhost')
  const json = { idToken: await gone.sign(gitHubClaims, { issuer: url }), job: 'build' }
  await gone.close()
  const addresses = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }))
  const own = await openServer({ TROVE_PUBLIC_URL: publicUrl, TROVE_OIDC: `${url}=*/*` })
  onTestFinished(own.close)
  const lookUp = vi.spyOn(dns, 'lookup').mockImplementation(((
    ...[, , found]: [string, object, (error: null, all: object[]) => void]
  ) => {
    found(null, addresses)
  }) as typeof dns.lookup)
  onTestFinished(() => {
    lookUp.mockRestore()
  })
  const answer = await own.send(path, { method: 'POST', token: null, json })
  expect([answer.status, await answer.json()]).toMatchObject([
    503,
    { detail: `cannot fetch the keys of ${url}: fetch failed: ECONNREFUSED` },
  ])
})

test('keys are found where the issuer publishes them now, if they are gone from where they were', async () => {
  const own = await openServer({ TROVE_PUBLIC_URL: publicUrl, TROVE_OIDC: `${issuer.url}=*/*` })
  onTestFinished(own.close)
  const { keysUrl } = issuer
  const statusNow = async (): Promise<number> => {
    const json = { idToken: await issuer.sign(gitHubClaims), job: 'build' }
    return (await own.send(path, { method: 'POST', token: null, json })).status
  }
  issuer.keysUrl = `${issuer.url}/gone`
  try {
    expect(await statusNow()).toBe(503)
  } finally {
    issuer.keysUrl = keysUrl
  }
  expect(await statusNow()).toBe(201)
})

test('keys are not fetched over an unprotected connection', async () => {
  const own = await openServer({ TROVE_PUBLIC_URL: publicUrl, TROVE_OIDC: `${issuer.url}=*/*` })
  const { keysUrl } = issuer
  try {
    issuer.keysUrl = 'http://keys.invalid/'
    const json = { idToken: await issuer.sign(gitHubClaims), job: 'build' }
    const answer = await own.send(path, { method: 'POST', token: null, json })
    expect([answer.status, await answer.json()]).toMatchObject([
      503,
      {
        detail: expect.stringContaining('its keys are at http://keys.invalid/, which is not https'),
      },
    ])
  } finally {
    issuer.keysUrl = keysUrl
    await own.close()
  }
})

test('a token exchanged for an ID token issued before all tokens of its project were revoked is revoked too', async () => {
  const statusBy = async (idToken: string): Promise<number> => {
    const json = { idToken, job: 'build' }
    const answer = await server.send(path, { method: 'POST', token: null, json })
    const { token } = (await answer.json()) as { token: string }
    return (await server.send('/api/v1/artifacts', { token })).status
  }
  await server.put('1/a')
  const before = await issuer.sign(gitHubClaims)
  expect(await statusBy(before)).toBe(200)
  await server.send('/api/v1/projects/octo/app/tokens/revoke', { method: 'POST' })
  expect(await statusBy(before)).toBe(401)
  server.clock.now += 2000
  expect(await statusBy(await issuer.sign(gitHubClaims, { now: server.clock.now }))).toBe(200)
})
