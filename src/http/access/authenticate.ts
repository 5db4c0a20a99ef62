/** Who sent a request: a token in the Authorization header, or the session cookie of a browser. Answers a principal;
 *  what it may do is `auth/principal.ts`. */
import { getCookie } from 'hono/cookie'
import type { Principal } from '../../auth/principal.ts'
import { type TokenUse, verifyToken } from '../../auth/tokens.ts'
import { storeError } from '../../core/errors.ts'
import { publicOrigin, type AppContext, type AppRequest } from '../context.ts'

export const sessionCookie = 'trove_session'

/** The principal, by header or cookie. Errors: unauthenticated (none, or not valid), forbidden (a form of another
 *  site). */
export async function requirePrincipal(context: AppContext, c: AppRequest): Promise<Principal> {
  return (await findBearer(context, c)) ?? (await findSession(context, c)) ?? refuseStranger()
}

/** As `requirePrincipal`, but only by header: for routes that browsers have no business with. */
export async function requireBearer(context: AppContext, c: AppRequest): Promise<Principal> {
  return (await findBearer(context, c)) ?? refuseStranger()
}

function refuseStranger(): never {
  throw storeError('unauthenticated', 'a token is needed: Authorization: Bearer TOKEN', {
    reason: 'no token',
  })
}

async function findBearer(context: AppContext, c: AppRequest): Promise<Principal | undefined> {
  const header = c.req.header('authorization')
  if (header === undefined) return undefined
  // GITHUB-PROTOCOL §16: Octokit sends the scheme `token`.
  const token = /^(?:Bearer|token) +(\S+) *$/i.exec(header)?.[1]
  if (token === undefined) {
    throw storeError('unauthenticated', 'the Authorization header must be: Bearer TOKEN', {
      reason: 'unknown scheme',
    })
  }
  return remember(c, await principalOf(context, token, 'api'))
}

async function findSession(context: AppContext, c: AppRequest): Promise<Principal | undefined> {
  const token = getCookie(c, sessionCookie)
  if (token === undefined) return undefined
  const principal = await principalOf(context, token, 'session')
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') requireOwnOrigin(context, c)
  return remember(c, principal)
}

/** What a token grants now. Errors: unauthenticated (not valid, or revoked). */
export async function principalOf(
  { keys, now, revocations }: AppContext,
  token: string,
  use: TokenUse,
): Promise<Principal> {
  const principal = await verifyToken(keys.tokens, token, { now: now(), use })
  if (revocations.has(principal)) {
    throw storeError('unauthenticated', 'the token was revoked', { reason: 'revoked' })
  }
  return principal
}

/** Makes the principal's token void, and whatever came of it. Errors: too_large. */
export async function revokeToken(
  { metadata, revocations }: AppContext,
  { lineage: [id], project, expiresAt }: Principal,
): Promise<void> {
  if (id === undefined) throw new Error('no token says that it has no id')
  await metadata.revokeToken({ id, project, expiresAt })
  revocations.addToken(id)
}

/** Browsers send the cookie with any site's top-level form only for GET (SameSite=Lax); this is the second lock.
 *  Errors: forbidden. */
export function requireOwnOrigin(context: AppContext, c: AppRequest): void {
  const origin = c.req.header('origin')
  if (origin !== undefined && origin === publicOrigin(context, c)) return
  throw storeError('forbidden', 'a form must be sent from a page of this server', {
    reason: 'the Origin header is not this server',
  })
}

function remember(c: AppRequest, principal: Principal): Principal {
  c.set('principal', principal)
  return principal
}
