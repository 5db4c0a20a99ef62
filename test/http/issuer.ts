/** A CI system that signs ID tokens: the published documents of GitHub's and GitLab's issuers,
 *  and the URL at which jobs request a token. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, type JWTPayload, SignJWT } from 'jose'
import { keyPair } from './key-pairs.ts'

export interface Issuer {
  url: string
  /** Paths requested so far, such as `/keys`. */
  requests: string[]
  /** Claims of the job that requests a token at `requestUrl`. */
  job: JWTPayload
  /** For ACTIONS_ID_TOKEN_REQUEST_URL; requires `requestToken`. */
  requestUrl: string
  requestToken: string
  /** The published URL of its keys. */
  keysUrl: string
  /** If set, every response has this status. */
  failure: number | undefined
  /** Returns an ID token that is valid for five minutes from `now`. */
  sign(
    claims: JWTPayload,
    options?: { audience?: string | string[]; issuer?: string; now?: number; by?: 'a stranger' },
  ): Promise<string>
  /** Signs with another key from now on, and publishes that. */
  changeKey(): Promise<void>
  close(): Promise<void>
}

/** `audience` is the default audience of tokens; `algorithm`: how they are signed. */
export async function openIssuer(audience: string, algorithm = 'RS256'): Promise<Issuer> {
  /** Published next to the signing key, as by issuers that rotate keys. */
  const retired = await keyPair(algorithm, 'retired')
  let serial = 1
  let keys = await keyPair(algorithm, `${serial}`)
  const server = createServer((request, response) => {
    void answer(new URL(request.url ?? '', issuer.url), request.headers.authorization).then(
      ({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(JSON.stringify(body))
      },
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`

  async function answer(
    { pathname, searchParams }: URL,
    authorization: string | undefined,
  ): Promise<{ status: number; body: unknown }> {
    issuer.requests.push(pathname)
    if (issuer.failure !== undefined) return { status: issuer.failure, body: {} }
    if (pathname === '/.well-known/openid-configuration') {
      return { status: 200, body: { issuer: url, jwks_uri: issuer.keysUrl } }
    }
    if (pathname === '/keys') {
      const published = [
        { ...(await exportJWK(keys.publicKey)), kid: String(serial), alg: algorithm },
        { ...(await exportJWK(retired.publicKey)), kid: '0', alg: algorithm },
      ]
      return { status: 200, body: { keys: published } }
    }
    if (pathname !== '/ask' || authorization !== `Bearer ${issuer.requestToken}`) {
      return { status: 404, body: {} }
    }
    const asked = searchParams.get('audience') ?? ''
    return { status: 200, body: { value: await issuer.sign(issuer.job, { audience: asked }) } }
  }

  const issuer: Issuer = {
    url,
    requests: [],
    job: {},
    requestUrl: `${url}/ask?api-version=2.0`,
    requestToken: 'may-ask',
    keysUrl: `${url}/keys`,
    failure: undefined,
    sign: async (claims, options = {}) =>
      await new SignJWT(claims)
        .setProtectedHeader({ alg: algorithm, kid: String(serial) })
        .setIssuer(options.issuer ?? url)
        .setAudience(options.audience ?? audience)
        .setIssuedAt(Math.floor((options.now ?? Date.now()) / 1000))
        .setExpirationTime(Math.floor((options.now ?? Date.now()) / 1000) + 300)
        .sign((options.by === undefined ? keys : await keyPair(algorithm, 'stranger')).privateKey),
    changeKey: async () => {
      serial += 1
      keys = await keyPair(algorithm, `${serial}`)
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return issuer
}

/** Claims in the form of GitHub's issuer (GitHub Docs, "OpenID Connect reference"). */
export const gitHubClaims = {
  sub: 'repo:octo/app:ref:refs/heads/main',
  repository: 'octo/app',
  repository_owner: 'octo',
  ref: 'refs/heads/main',
  ref_type: 'branch',
  head_ref: '',
  base_ref: '',
  sha: '0123456789'.repeat(4),
  workflow: 'CI',
  event_name: 'push',
  run_id: '22259804324',
  run_number: '42',
  run_attempt: '2',
  actor: 'octocat',
  runner_environment: 'github-hosted',
}

/** Claims in the form of GitLab's issuer (GitLab Docs, "OpenID Connect (OIDC) authentication
 *  using ID tokens"). */
export const gitLabClaims = {
  sub: 'project_path:octo/app:ref_type:branch:ref:main',
  namespace_path: 'octo',
  project_path: 'octo/app',
  pipeline_id: '739',
  pipeline_source: 'push',
  job_id: '10215',
  user_login: 'tanuki',
  ref: 'main',
  ref_type: 'branch',
  ref_path: 'refs/heads/main',
  ref_protected: 'true',
  sha: '0123456789'.repeat(4),
}
