/** Verifies ID tokens with the public keys of their issuers. Keys are fetched on first use and
 *  cached; `jose` refetches them when a token names an unknown key, at most twice a minute. Where
 *  they are is looked up again when they cannot be fetched. */
import {
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  errors,
  jwtVerify,
  type JWTPayload,
} from 'jose'
import * as z from 'zod'
import type { Config } from '../../config/config.ts'
import { hasCode, storeError, unauthenticated } from '../../core/errors.ts'
import { isProtected, type TrustedIssuer } from '../../core/access/trusted-issuers.ts'
import { fetchBounded } from './bounded-fetch.ts'

export interface IdTokenVerifier {
  /** Returns the claims of a token that a trusted issuer signed for this server, and the issuer.
   *  Errors: unauthenticated; busy (the issuer's keys cannot be fetched). */
  verify(idToken: string): Promise<{ claims: JWTPayload; trusted: TrustedIssuer }>
}

type KeySet = ReturnType<typeof createRemoteJWKSet>

const fetchMs = 5000
/** Largest accepted difference between the clocks of a CI system and ours. */
const clockToleranceSeconds = 60
/** Asymmetric algorithms only: the keys are public. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]

const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.url() })

/** Null when no issuer is trusted. The audience of ID tokens must be this server's public URL. */
export function createIdTokenVerifier(
  { trustedIssuers, publicUrl: audience }: Pick<Config, 'trustedIssuers' | 'publicUrl'>,
  now: () => number,
): IdTokenVerifier | null {
  if (audience === null || trustedIssuers.length === 0) return null
  const keySets = new Map<string, Promise<KeySet>>()
  const keysOf = async (issuer: string): Promise<KeySet> => {
    const known = keySets.get(issuer) ?? findKeySet(issuer)
    keySets.set(issuer, known)
    try {
      return await known
    } catch (error) {
      keySets.delete(issuer)
      throw error
    }
  }
  return {
    async verify(idToken) {
      const issuer = issuerOf(idToken)
      const trusted = trustedIssuers.find((each) => each.issuer === issuer.replace(/\/$/, ''))
      if (trusted === undefined)
        throw unauthenticated(`ID tokens of ${issuer} are not trusted (TROVE_OIDC)`)
      const keys = await keysOf(trusted.issuer)
      try {
        const { payload } = await jwtVerify(idToken, keys, {
          issuer,
          audience,
          algorithms,
          requiredClaims: ['exp'],
          clockTolerance: clockToleranceSeconds,
          currentDate: new Date(now()),
        })
        return { claims: payload, trusted }
      } catch (error) {
        const failure = verificationError(error, { issuer, audience })
        // It may publish its keys elsewhere by now.
        if (hasCode(failure, 'busy')) keySets.delete(trusted.issuer)
        throw failure
      }
    },
  }
}

/** Returns the issuer that the token names, unverified. Errors: unauthenticated. */
function issuerOf(idToken: string): string {
  try {
    // jose declares `iss` as text, but does not check that it is.
    const iss: unknown = decodeJwt(idToken).iss
    if (typeof iss === 'string') return iss
  } catch {
    // Reported below, without the token.
  }
  throw unauthenticated('this is not an ID token')
}

/** OpenID Connect Discovery 1.0 §4. Errors: busy. */
async function findKeySet(issuer: string): Promise<KeySet> {
  try {
    const answer = await fetchBounded(`${issuer}/.well-known/openid-configuration`, {
      headers: { accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(fetchMs),
    })
    if (!answer.ok) throw new Error(`it returned status ${answer.status}`)
    const found = discoverySchema.parse(await answer.json())
    if (found.issuer.replace(/\/$/, '') !== issuer) {
      throw new Error(`it names ${JSON.stringify(found.issuer)} as its issuer`)
    }
    const keysUrl = new URL(found.jwks_uri)
    // Otherwise an issuer elsewhere could have anything on this machine requested.
    const mayBeOfThisMachine = !issuer.startsWith('https:') && isProtected(keysUrl)
    if (keysUrl.protocol !== 'https:' && !mayBeOfThisMachine)
      throw new Error(`its keys are at ${keysUrl.href}, which is not https`)
    return createRemoteJWKSet(keysUrl, { timeoutDuration: fetchMs, [customFetch]: fetchBounded })
  } catch (error) {
    throw unreachable(issuer, error)
  }
}

function verificationError(
  error: unknown,
  { issuer, audience }: { issuer: string; audience: string },
): Error {
  if (error instanceof errors.JWTExpired) return unauthenticated('the ID token has expired')
  if (error instanceof errors.JWTClaimValidationFailed) {
    return unauthenticated(
      error.claim === 'aud'
        ? `the ID token must be issued for the audience ${audience} (TROVE_PUBLIC_URL)`
        : `the claim ${error.claim} of the ID token is not accepted`,
    )
  }
  const isOfToken =
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSEAlgNotAllowed ||
    error instanceof errors.JOSENotSupported ||
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWTInvalid
  return isOfToken
    ? unauthenticated(`the ID token was not signed by ${issuer}`)
    : unreachable(issuer, error)
}

function unreachable(issuer: string, error: unknown): Error {
  const { message, cause } = error as Error
  // Node's error for a host with several addresses has no message.
  const reason =
    cause instanceof Error
      ? `${message}: ${cause.message || (cause as NodeJS.ErrnoException).code}`
      : message
  return storeError('busy', `cannot fetch the keys of ${issuer}: ${reason}`, {
    what: `keys of ${issuer}`,
  })
}
