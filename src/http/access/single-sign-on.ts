/** Single sign-on of people through an OpenID Connect provider: the authorization code flow with
 *  PKCE (OpenID Connect Core 1.0 §3.1, RFC 7636). `openid-client` implements the protocol. */
import * as oidc from 'openid-client'
import * as z from 'zod'
import type { Config } from '../../config/config.ts'
import { asError, storeError } from '../../core/errors.ts'
import type { Claims, SignInRule } from '../../core/access/sign-in-rules.ts'
import { isProtected } from '../../core/access/trusted-issuers.ts'

type SingleSignOnConfig = NonNullable<Config['singleSignOn']>

/** What the browser keeps, in a cookie, while the person is at the provider. */
export const attemptSchema = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  /** Path to open afterwards. */
  next: z.string(),
})
export type SignInAttempt = z.infer<typeof attemptSchema>

export interface SingleSignOn {
  /** Host of the provider, for the sign-in page. */
  provider: string
  rules: readonly SignInRule[]
  /** Returns the address at the provider that the browser must open. Errors: busy. */
  begin(next: string): Promise<{ url: URL; attempt: SignInAttempt }>
  /** Exchanges the code in the query of the callback for the claims of the person. Errors:
   *  unauthenticated (the provider or the person refused, or the attempt is another), busy. */
  finish(query: string, attempt: SignInAttempt): Promise<Claims>
}

export const callbackPath = '/sign-in/callback'

const requestSeconds = 10

/** Null unless configured. */
export function createSingleSignOn({
  singleSignOn,
  publicUrl,
}: Pick<Config, 'singleSignOn' | 'publicUrl'>): SingleSignOn | null {
  if (singleSignOn === null || publicUrl === null) return null
  const { scopes } = singleSignOn
  const callback = `${publicUrl}${callbackPath}`
  let discovered: Promise<oidc.Configuration> | undefined
  const discover = async (): Promise<oidc.Configuration> => {
    discovered ??= discoverProvider(singleSignOn)
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
    begin: async (next) => {
      const provider = await discover()
      const attempt = {
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
        verifier: oidc.randomPKCECodeVerifier(),
        next,
      }
      const url = oidc.buildAuthorizationUrl(provider, {
        redirect_uri: callback,
        scope: scopes,
        state: attempt.state,
        nonce: attempt.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(attempt.verifier),
        code_challenge_method: 'S256',
      })
      return { url, attempt }
    },
    finish: async (query, { state, nonce, verifier }) => {
      const provider = await discover()
      try {
        const tokens = await oidc.authorizationCodeGrant(provider, new URL(callback + query), {
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

async function discoverProvider({
  issuer,
  clientId,
  clientSecret,
}: SingleSignOnConfig): Promise<oidc.Configuration> {
  const server = new URL(issuer)
  // The settings accept plain HTTP on this machine only.
  const execute =
    server.protocol === 'http:' && isProtected(server) ? [oidc.allowInsecureRequests] : []
  return await oidc.discovery(
    server,
    clientId,
    clientSecret,
    oidc.ClientSecretBasic(clientSecret),
    {
      // The signature of ID tokens is checked, although TLS already tells that they are the
      // provider's.
      execute: [...execute, oidc.enableNonRepudiationChecks],
      timeout: requestSeconds,
    },
  )
}

/** Distinguishes a provider that cannot be reached from one that refuses. */
function failureOf(config: SingleSignOnConfig, error: unknown): Error {
  if (error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError)
    return refused(error.error_description ?? error.error, error)
  const { code } = error as { code?: unknown }
  const isAnswer = typeof code === 'string' && code.startsWith('OAUTH_') && code !== 'OAUTH_TIMEOUT'
  return isAnswer ? refused(asError(error).message, error) : unreachable(config, error)
}

function refused(reason: string, cause: unknown): Error {
  const message = `single sign-on failed: ${reason}`
  return storeError('unauthenticated', message, { reason }, { cause: asError(cause) })
}

function unreachable({ issuer }: SingleSignOnConfig, error: unknown): Error {
  const { message, cause } = asError(error)
  const reason = cause instanceof Error ? `${message}: ${cause.message}` : message
  const what = `provider of single sign-on ${issuer}`
  return storeError('busy', `cannot reach the ${what}: ${reason}`, { what })
}
