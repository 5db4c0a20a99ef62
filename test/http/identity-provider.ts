/** An OpenID Connect provider on loopback: its published documents, and its authorization, token
 *  and userinfo endpoints, for one person whose claims a test sets. */
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { exportJWK, SignJWT } from 'jose'
import { keyPair } from './key-pairs.ts'

export interface IdentityProvider {
  url: string
  clientId: string
  clientSecret: string
  /** Claims of the ID token of whoever signs in next. */
  claims: Record<string, unknown>
  /** Claims that only the userinfo endpoint has. */
  userInfo: Record<string, unknown>
  /** If set, ID tokens have this nonce instead of the requested one. */
  nonce: string | undefined
  /** If set, ID tokens are signed by another key. */
  isForged: boolean
  /** What the provider calls itself. */
  issuer: string
  /** Further members of its metadata, or others; undefined: none. */
  metadata: Record<string, unknown>
  /** Further parameters of the redirect to the client. */
  redirectParameters: Record<string, string>
  /** How far its clock is ahead. */
  aheadSeconds: number
  /** How long ID tokens are valid. */
  lifeSeconds: number
  /** In which forms clients may send their secret; undefined: it does not say, and accepts only
   *  the header. */
  authMethods: string[] | undefined
  /** How it takes the secret: from the form, or from the header with or without decoding it. */
  takesSecret: 'in the form' | 'in the header' | 'in the header, undecoded'
  /** If set, the answers of this path. */
  failing: { path: string; status: number; headers?: Record<string, string> } | undefined
  /** Replaces the signing key. */
  rotate(): Promise<void>
  close(): Promise<void>
}

interface Grant {
  nonce: string
  challenge: string
  redirectUri: string
}

/** `algorithm`: how ID tokens are signed; HS256: with the client's secret. */
export async function openIdentityProvider(algorithm = 'RS256'): Promise<IdentityProvider> {
  const keysOf = algorithm === 'HS256' ? 'RS256' : algorithm
  let keyId = 1
  let key = await keyPair(keysOf, `${keyId}`)
  const grants = new Map<string, Grant>()
  const server = createServer((request, response) => {
    const { failing } = provider
    if (failing !== undefined && failing.path === request.url) {
      response.writeHead(failing.status, failing.headers)
      response.end()
      return
    }
    void answer(request).then(({ status = 200, location, body }) => {
      response.writeHead(status, {
        'content-type': 'application/json',
        ...(location !== undefined && { location }),
      })
      response.end(JSON.stringify(body ?? {}))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider: IdentityProvider = {
    url,
    clientId: 'trove',
    clientSecret: 'not:a+secret%',
    claims: { sub: '7' },
    userInfo: {},
    nonce: undefined,
    isForged: false,
    issuer: url,
    metadata: {},
    redirectParameters: {},
    aheadSeconds: 0,
    lifeSeconds: 300,
    authMethods: undefined,
    takesSecret: 'in the header',
    failing: undefined,
    rotate: async () => {
      keyId += 1
      key = await keyPair(keysOf, `${keyId}`)
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }

  interface Answer {
    status?: number
    location?: string
    body?: unknown
  }

  async function answer(request: IncomingMessage): Promise<Answer> {
    const { pathname, searchParams } = new URL(request.url ?? '', url)
    if (pathname.endsWith('/.well-known/openid-configuration')) return { body: metadata() }
    switch (pathname) {
      case '/keys':
        return {
          body: {
            keys: [{ ...(await exportJWK(key.publicKey)), kid: `${keyId}`, alg: algorithm }],
          },
        }
      case '/authorize':
        return authorize(searchParams)
      case '/token':
        return await exchange(request)
      case '/userinfo':
        return { body: { sub: provider.claims['sub'], ...provider.userInfo } }
      default:
        return { status: 404 }
    }
  }

  function metadata(): object {
    return {
      issuer: provider.issuer,
      token_endpoint_auth_methods_supported: provider.authMethods,
      authorization_endpoint: `${url}/authorize`,
      token_endpoint: `${url}/token`,
      userinfo_endpoint: `${url}/userinfo`,
      jwks_uri: `${url}/keys`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [algorithm],
      ...provider.metadata,
    }
  }

  /** Grants at once, as if the person had consented. */
  function authorize(asked: URLSearchParams): Answer {
    const code = randomUUID()
    const redirectUri = asked.get('redirect_uri') ?? ''
    const back = new URL(redirectUri)
    grants.set(code, {
      nonce: asked.get('nonce') ?? '',
      challenge: asked.get('code_challenge') ?? '',
      redirectUri,
    })
    back.searchParams.set('code', code)
    back.searchParams.set('state', asked.get('state') ?? '')
    for (const [name, value] of Object.entries(provider.redirectParameters))
      back.searchParams.set(name, value)
    return { status: 302, location: back.href }
  }

  async function exchange(request: IncomingMessage): Promise<Answer> {
    const form = new URLSearchParams(await text(request))
    if (!isClient(request.headers.authorization, form)) {
      return { status: 401, body: { error: 'invalid_client' } }
    }
    const code = form.get('code') ?? ''
    const grant = grants.get(code)
    grants.delete(code)
    const verifier = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    const isSound =
      grant !== undefined &&
      grant.challenge === verifier &&
      grant.redirectUri === form.get('redirect_uri')
    if (!isSound) return { status: 400, body: { error: 'invalid_grant' } }
    const now = Math.floor(Date.now() / 1000) + provider.aheadSeconds
    const idToken = await new SignJWT({ ...provider.claims, nonce: provider.nonce ?? grant.nonce })
      .setProtectedHeader({ alg: algorithm, kid: `${keyId}` })
      .setIssuer(provider.issuer)
      .setAudience(provider.clientId)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + provider.lifeSeconds)
      .sign(
        algorithm === 'HS256'
          ? new TextEncoder().encode(provider.clientSecret)
          : (provider.isForged ? await keyPair(keysOf, 'stranger') : key).privateKey,
      )
    return { body: { access_token: 'a', token_type: 'Bearer', id_token: idToken } }
  }

  function isClient(authorization: string | undefined, form: URLSearchParams): boolean {
    const inForm = form.get('client_secret')
    if (provider.takesSecret === 'in the form') return inForm === provider.clientSecret
    if (inForm !== null) return false
    const sent = Buffer.from(authorization?.replace('Basic ', '') ?? '', 'base64').toString()
    // RFC 6749 §2.3.1: both parts are form-encoded first.
    const decode = (text: string): string =>
      provider.takesSecret === 'in the header'
        ? decodeURIComponent(text.replaceAll('+', ' '))
        : text
    const [id = '', ...secret] = sent.split(':')
    return decode(id) === provider.clientId && decode(secret.join(':')) === provider.clientSecret
  }

  return provider
}
