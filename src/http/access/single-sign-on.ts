/** Single sign-on of people through an OpenID Connect provider: the authorization code flow with
 *  PKCE (OpenID Connect Core 1.0 §3.1, RFC 7636). `openid-client` implements the protocol. */
import * as oidc from 'openid-client'
import * as z from 'zod'
import type { Config } from '../../config/config.ts'
import { asError, storeError } from '../../core/errors.ts'
import type { Claims, SignInRule } from '../../core/access/sign-in-rules.ts'
import {
  createIdentityProvider,
  issuerNamedIn,
  promptForAccount,
  responseOf,
  type SingleSignOnConfig,
} from './identity-provider.ts'

/** What the browser keeps, in a cookie, while the person is at the provider. */
const attemptSchema = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  /** Path to open afterwards. */
  next: z.string(),
})
export type SignInAttempt = z.infer<typeof attemptSchema>

/** Longest cookie value that browsers keep with its name and attributes (RFC 6265bis §5.7). */
const cookieCharactersMax = 3800
/** A longer path would leave no room for the rest of an attempt. */
const nextBytesMax = 2000

/** Encodes attempts, newest first, as far as a cookie holds them. A browser has several when a
 *  person signs in in several tabs. */
export function encodeAttempts(attempts: readonly SignInAttempt[]): string {
  for (let kept = attempts.length; ; kept--) {
    const text = Buffer.from(JSON.stringify(attempts.slice(0, kept))).toString('base64url')
    if (text.length <= cookieCharactersMax) return text
  }
}

/** Returns no attempts for a cookie that is not ours. */
export function decodeAttempts(cookie: string | undefined): SignInAttempt[] {
  try {
    const text = Buffer.from(cookie ?? '', 'base64url').toString()
    return z.array(attemptSchema).parse(JSON.parse(text))
  } catch {
    return []
  }
}

export interface SingleSignOn {
  /** Host of the provider, for the sign-in page. */
  provider: string
  rules: readonly SignInRule[]
  /** Returns the address at the provider that the browser must open. An attempt forgets a path that
   *  is too long for a cookie. `account`: `another` makes the provider ask who it is, even if it
   *  knows. Errors: busy. */
  begin(next: string, account: 'current' | 'another'): Promise<{ url: URL; attempt: SignInAttempt }>
  /** Exchanges the code in the query of the callback for the claims of the person. Errors:
   *  unauthenticated (the provider or the person refused, or the attempt is another), busy. */
  finish(query: string, attempt: SignInAttempt): Promise<Claims>
}

export const callbackPath = '/sign-in/callback'

/** Null unless configured. */
export function createSingleSignOn({
  singleSignOn,
  publicUrl,
}: Pick<Config, 'singleSignOn' | 'publicUrl'>): SingleSignOn | null {
  if (singleSignOn === null || publicUrl === null) return null
  const { scopes } = singleSignOn
  const callback = `${publicUrl}${callbackPath}`
  const identityProvider = createIdentityProvider(singleSignOn)
  let discovered: Promise<oidc.Configuration> | undefined
  const discover = async (): Promise<oidc.Configuration> => {
    discovered ??= identityProvider.discover()
    try {
      return await discovered
    } catch (error) {
      discovered = undefined
      throw unreachable(singleSignOn, error)
    }
  }
  return {
    provider: new URL(singleSignOn.issuer).host,
    rules: singleSignOn.rules,
    begin: async (next, account) => {
      const provider = await discover()
      const attempt = {
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
        verifier: oidc.randomPKCECodeVerifier(),
        next: Buffer.byteLength(JSON.stringify(next)) <= nextBytesMax ? next : '/',
      }
      const url = oidc.buildAuthorizationUrl(provider, {
        redirect_uri: callback,
        scope: scopes,
        state: attempt.state,
        nonce: attempt.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(attempt.verifier),
        code_challenge_method: 'S256',
        ...(account === 'another' && { prompt: promptForAccount(provider.serverMetadata()) }),
      })
      return { url, attempt }
    },
    finish: async (query, { state, nonce, verifier }) => {
      // Discovered again, so that keys and addresses that the provider has just changed count. The
      // code cannot be sent twice.
      discovered = undefined
      const provider = await discover()
      try {
        const tokens = await identityProvider.exchange(provider, new URL(callback + query), {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
        })
        const claims = tokens.claims()!
        // Some providers name groups only here (GitLab: `groups`).
        const { userinfo_endpoint: hasMore } = provider.serverMetadata()
        if (hasMore === undefined) return claims
        return {
          ...(await oidc.fetchUserInfo(provider, tokens.access_token, claims.sub)),
          ...claims,
        }
      } catch (error) {
        throw failureOf(singleSignOn, error)
      }
    },
  }
}

/** Distinguishes a provider that cannot be reached, or has failed, from one that refuses. */
function failureOf(config: SingleSignOnConfig, error: unknown): Error {
  const { code } = error as { code?: unknown }
  const isAnswer = typeof code === 'string' && code.startsWith('OAUTH_') && code !== 'OAUTH_TIMEOUT'
  const hasFailed = (responseOf(error)?.status ?? 0) >= 500
  return isAnswer && !hasFailed ? refused(error) : unreachable(config, error)
}

function refused(error: unknown): Error {
  const reason = reasonOf(error)
  const message = `single sign-on failed: ${reason}`
  return storeError('unauthenticated', message, { reason }, { cause: asError(error) })
}

function unreachable({ issuer }: SingleSignOnConfig, error: unknown): Error {
  const what = `provider of single sign-on ${issuer}`
  return storeError('busy', `cannot reach the ${what}: ${reasonOf(error)}`, { what })
}

/** What the provider says, or else the innermost error: the outer ones are general. */
function reasonOf(error: unknown): string {
  if (error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError)
    return error.error_description ?? error.error
  const { message, cause } = asError(error)
  const response = responseOf(error)
  if (response !== undefined)
    return `${response.url} responded ${response.status}: ${challengeOf(error) ?? message}`
  if (cause instanceof Error) return reasonOf(cause)
  const issuer = issuerNamedIn(error)
  if (issuer !== undefined) return `${message}: the provider calls itself ${issuer}`
  const { alg } = (cause ?? {}) as { alg?: string }
  if (alg !== undefined) return `${message}: ${alg}`
  // Node's error for a host with several addresses has no message.
  return message || String((error as NodeJS.ErrnoException).code)
}

/** Why the provider rejected the client, or its access token. */
function challengeOf(error: unknown): string | undefined {
  if (!(error instanceof oidc.WWWAuthenticateChallengeError)) return undefined
  const { error_description: description, error: code } = error.cause[0]?.parameters ?? {}
  return description ?? code
}
