/** The provider of single sign-on: what it publishes (OpenID Connect Discovery 1.0), and how this
 *  server identifies itself to it. */
import * as oidc from 'openid-client'
import type { Config } from '../../config/config.ts'
import { isProtected } from '../../core/access/trusted-issuers.ts'
import { fetchBounded } from './bounded-fetch.ts'

export type SingleSignOnConfig = NonNullable<Config['singleSignOn']>

export interface IdentityProvider {
  /** Fetches what the provider publishes. Its keys are fetched when the result needs them. */
  discover(): Promise<oidc.Configuration>
  /** Exchanges the code in the address of the callback for tokens. */
  exchange(
    discovered: oidc.Configuration,
    callback: URL,
    checks: oidc.AuthorizationCodeGrantChecks,
  ): ReturnType<typeof oidc.authorizationCodeGrant>
}

const requestSeconds = 10
/** Largest accepted difference between the clocks of the provider and ours. It can be large: an ID
 *  token comes straight from the provider and is bound to one attempt. */
const clockToleranceSeconds = 5 * 60

/** Its errors are those of `openid-client`. */
export function createIdentityProvider({
  issuer,
  clientId,
  clientSecret,
}: SingleSignOnConfig): IdentityProvider {
  /** Which form it gets if it supports both. */
  let prefersForm = false
  const sendInForm = oidc.ClientSecretPost(clientSecret)
  const authenticate: oidc.ClientAuth = (server, client, body, headers) => {
    if (supports(server, 'client_secret_post') && (prefersForm || !supportsBoth(server))) {
      sendInForm(server, client, body, headers)
    } else {
      headers.set('authorization', basic(clientId, clientSecret))
    }
  }
  const discoverAt = async (server: URL): Promise<oidc.Configuration> => {
    const client = { client_secret: clientSecret, [oidc.clockTolerance]: clockToleranceSeconds }
    // The settings accept plain HTTP on this machine only.
    const execute =
      server.protocol === 'http:' && isProtected(server) ? [oidc.allowInsecureRequests] : []
    return await oidc.discovery(server, clientId, client, authenticate, {
      // The signature of ID tokens is checked, although TLS already tells that they are the
      // provider's.
      execute: [...execute, oidc.enableNonRepudiationChecks],
      timeout: requestSeconds,
      [oidc.customFetch]: async (address, { body = null, ...options }) =>
        await fetchBounded(address, { ...options, body } as RequestInit),
    })
  }
  return {
    discover: async () => {
      try {
        return await discoverAt(new URL(issuer))
      } catch (error) {
        // The setting has no slash at its end, but the name of an issuer can (authentik).
        if (issuerNamedIn(error) !== `${issuer}/`) throw error
        return await discoverAt(new URL(`${issuer}/`))
      }
    },
    exchange: async (discovered, callback, checks) => {
      const preferred = prefersForm
      try {
        return await oidc.authorizationCodeGrant(discovered, callback, checks)
      } catch (error) {
        if (!rejectsClient(error) || !supportsBoth(discovered.serverMetadata())) throw error
      }
      // It does not decode the header, or expects the other form from this client. Others who sign
      // in meanwhile learn the same.
      prefersForm = !preferred
      try {
        return await oidc.authorizationCodeGrant(discovered, callback, checks)
      } catch (error) {
        if (rejectsClient(error)) prefersForm = preferred
        throw error
      }
    },
  }
}

/** They list accounts on demand, which their metadata do not tell. Google rejects `login`. */
const knownToSelect = ['https://accounts.google.com', 'https://login.microsoftonline.com']

/** Returns the `prompt` that lets a person change accounts (OpenID Connect Core 1.0 §3.1.2.1).
 *  GitLab rejects `select_account` and does not tell what it supports, hence `login` in doubt. */
export function promptForAccount({
  issuer,
  prompt_values_supported: supported,
}: oidc.ServerMetadata): 'select_account' | 'login' {
  const selects = Array.isArray(supported)
    ? supported.includes('select_account')
    : knownToSelect.includes(new URL(issuer).origin)
  return selects ? 'select_account' : 'login'
}

/** RFC 6749 §2.3.1: this form of credentials is the one that every provider must accept, after
 *  form-encoding. `openid-client` also encodes `-`, `_` and `.`, which need not be encoded. GitLab
 *  and LemonLDAP::NG do not decode, so they would reject every `gloas-…`. */
function basic(clientId: string, clientSecret: string): string {
  const [id, secret] = [clientId, clientSecret].map((text) =>
    new URLSearchParams([['', text]]).toString().slice(1),
  )
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}

function supportsBoth(server: oidc.ServerMetadata): boolean {
  return supports(server, 'client_secret_post') && supports(server, 'client_secret_basic')
}

function supports(
  { token_endpoint_auth_methods_supported: supported = [] }: oidc.ServerMetadata,
  method: 'client_secret_post' | 'client_secret_basic',
): boolean {
  return supported.includes(method)
}

function rejectsClient(error: unknown): boolean {
  return (
    responseOf(error)?.status === 401 ||
    (error instanceof oidc.ResponseBodyError && error.error === 'invalid_client')
  )
}

/** What the provider calls itself, if the error is that it is not the expected issuer. */
export function issuerNamedIn(error: unknown): string | undefined {
  return (error as { cause?: { body?: { issuer?: string } } }).cause?.body?.issuer
}

export function responseOf(error: unknown): Response | undefined {
  if (
    error instanceof oidc.ResponseBodyError ||
    error instanceof oidc.WWWAuthenticateChallengeError
  )
    return error.response
  const { cause } = error as { cause?: unknown }
  return cause instanceof Response ? cause : undefined
}
