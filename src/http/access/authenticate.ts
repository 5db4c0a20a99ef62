/** Who sent a request: a token in the Authorization header, or the session cookie of a browser. Answers a principal;
 *  what it may do is `auth/principal.ts`. */
import { getCookie } from 'hono/cookie'
import { mayAdminister, type Principal } from '../../auth/principal.ts'
import { type TokenUse, verifyToken } from '../../auth/tokens.ts'
import { hasCode, storeError } from '../../core/errors.ts'
import type { ProjectName } from '../../core/run.ts'
import type { Asked, DescribedToken } from '../../metadata/metadata.ts'
import { publicOrigin, type AppContext, type AppRequest } from '../context.ts'
import { requireUnrevoked } from './revoked.ts'

/** Its name for pages of this origin. With TLS browsers let no other host of the domain set one with the prefix (RFC 6265bis
 *  §4.1.3.2), as that of TROVE_CONTENT_URL could, where scripts of artifacts run; without TLS they take none with it. */
export function sessionCookie(origin: string): string {
  return origin.startsWith('https:') ? '__Host-trove_session' : 'trove_session'
}

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
  const token = getCookie(c, sessionCookie(publicOrigin(context, c)))
  if (token === undefined) return undefined
  const principal = await principalOf(context, token, 'session')
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') requireOwnOrigin(context, c)
  return remember(c, principal)
}

/** What a token grants now. Errors: unauthenticated (not valid, or revoked). */
export async function principalOf(
  context: AppContext,
  token: string,
  use: TokenUse,
): Promise<Principal> {
  const { keys, now } = context
  const principal = await verifyToken(keys.tokens, token, { now: now(), use })
  requireUnrevoked(context, principal)
  return principal
}

/** Makes a token void, and whatever came of it. Without `asked` the audit log is not told: who signs out takes nothing from
 *  others. Errors: too_large, storage_full (it is void until the next start). */
export async function revokeToken(
  { metadata, revocations }: AppContext,
  { use, principal }: { use: TokenUse; principal: Principal },
  asked?: Asked,
): Promise<void> {
  const token = describeToken(principal)
  const { id } = token
  const { issuedAt, expiresAt } = principal
  const isSession = use === 'session'
  const isAdmin = mayAdminister(principal)
  await lastingly(
    () => revocations.addToken(id),
    metadata.revokeToken(
      {
        id,
        // An administrator's may name a project, and what that has is revoked without it.
        project: isAdmin ? null : principal.project,
        isSession,
        issuedAt,
        // What an administrator's mints may end later than itself; sessions mint nothing.
        endsAt: isAdmin && !isSession ? Infinity : expiresAt,
      },
      asked && { ...asked, token },
    ),
  )
}

/** Of one that was minted. */
export function describeToken({ lineage, scope, run, job, expiresAt }: Principal): DescribedToken {
  const [id] = lineage
  if (id === undefined) throw new Error('what was read of a token has its id')
  return { id, scope, run: run?.number ?? null, job, expiresAt }
}

/** Makes all tokens of the project void that were issued at `issuedUntil` or before. Errors: storage_full, as above. */
export async function revokeProjectTokens(
  { metadata, revocations }: AppContext,
  project: ProjectName,
  issuedUntil: number,
  asked: Asked,
): Promise<void> {
  await lastingly(
    () => revocations.addProject(project, issuedUntil),
    metadata.revokeProjectTokens(project, issuedUntil, asked),
  )
}

/** A disk that is full, or takes nothing, is told, and no reason to let a leaked token be used meanwhile. */
async function lastingly(revoke: () => void, written: Promise<void>): Promise<void> {
  try {
    await written
  } catch (error) {
    if (!hasCode(error, 'too_large')) revoke()
    throw error
  }
  revoke()
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
