/** Authenticates a request by a token in its Authorization header or by a browser's session
 *  cookie. Returns a principal; `auth/principal.ts` decides what it may do. */
import { getCookie } from 'hono/cookie'
import { blobFetchPath, blobPartsPath } from '../../api/paths.ts'
import {
  anonymousPrincipal,
  isAnonymous,
  mayAdminister,
  type Principal,
} from '../../auth/principal.ts'
import { type TokenUse, verifyToken } from '../../auth/tokens.ts'
import { hasCode, storeError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { ProjectName } from '../../core/run/run.ts'
import type { Author, DescribedToken } from '../../metadata/metadata.ts'
import { outgoingOf, publicOrigin, type AppContext, type AppRequest } from '../context.ts'
import { requireUnrevoked } from './standing.ts'

/** Name of a cookie for pages of this origin. Over TLS it has the `__Host-` prefix, so browsers let
 *  no other host of the domain set it (RFC 6265bis §4.1.3.2). Such a host is that of
 *  TROVE_CONTENT_URL, where scripts of artifacts run. Without TLS browsers reject cookies with the
 *  prefix. `sso`: of a person who is at the provider. */
export function cookieName(origin: string, name: 'session' | 'sso'): string {
  return origin.startsWith('https:') ? `__Host-trove_${name}` : `trove_${name}`
}

/** Authenticates by header or cookie. Errors: unauthenticated (no credential, or an invalid
 *  one), forbidden (form sent from another site). */
export async function requirePrincipal(context: AppContext, c: AppRequest): Promise<Principal> {
  return (await findBearer(context, c)) ?? (await findSession(context, c)) ?? throwMissing()
}

/** As `requirePrincipal`, for routes that only read: a request without a credential may read what
 *  everyone may. Errors: those of `requirePrincipal`. */
export async function requireReader(context: AppContext, c: AppRequest): Promise<Principal> {
  return (await findBearer(context, c)) ?? (await findSession(context, c)) ?? everyone(context, c)
}

/** As `requireReader`, without cookies. */
export async function requireBearerReader(context: AppContext, c: AppRequest): Promise<Principal> {
  return (await findBearer(context, c)) ?? everyone(context, c)
}

/** As `requireBearerReader`, also with a token as the password of the Basic scheme: most clients of
 *  WebDAV know no other. */
export async function requireBasicReader(context: AppContext, c: AppRequest): Promise<Principal> {
  const token = basicToken(c.req.header('authorization') ?? '')
  if (token === undefined) return await requireBearerReader(context, c)
  return remember(c, await principalOf(context, token, 'api'))
}

/** RFC 7617 §2: the user name ends at the first colon. It may be anything, or the beginning of the
 *  token: davfs2 and cadaver cut a password, which a token can exceed, after 255 characters. */
function basicToken(authorization: string): string | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(authorization) ?? []
  if (encoded === undefined) return undefined
  const [, user = '', password = ''] =
    /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? []
  const isWhole = /^[^.]+\.[^.]+\.[^.]+$/.test(password)
  return isWhole ? password : user + password
}

const readingMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PROPFIND'])
/** POSTs that change nothing. */
const readingPosts: ReadonlySet<string> = new Set([blobPartsPath, blobFetchPath])

/** The sender of a request without a credential. Errors: unauthenticated (no project is public, or
 *  the request does not only read), busy (too many visitors). */
function everyone({ config, visitors }: AppContext, c: AppRequest): Principal {
  const { method, path } = c.req
  const onlyReads = readingMethods.has(method) || readingPosts.has(path)
  if (!onlyReads || config.publicProjects.length === 0) throw credentialMissing()
  visitors.admit(outgoingOf(c))
  return remember(c, anonymousPrincipal(config.publicProjects))
}

/** What a caller that may not do something is told: `error`, or without a credential that one is
 *  needed. So what exists and is not public looks like what does not exist. */
export function denied(principal: Principal, error: Error): Error {
  return isAnonymous(principal) ? credentialMissing() : error
}

/** Authenticates by cookie only: for pages about the session itself. Errors: those of
 *  `requirePrincipal`. */
export async function requireSession(context: AppContext, c: AppRequest): Promise<Principal> {
  return (await findSession(context, c)) ?? throwMissing()
}

/** Authenticates by header only: for routes that browsers have no need for. */
export async function requireBearer(context: AppContext, c: AppRequest): Promise<Principal> {
  return (await findBearer(context, c)) ?? throwMissing()
}

function throwMissing(): never {
  throw credentialMissing()
}

export function credentialMissing(): Error {
  const message = 'authentication required: send Authorization: Bearer TOKEN'
  return storeError('unauthenticated', message, { reason: 'no token' })
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
  const token = getCookie(c, cookieName(publicOrigin(context, c), 'session'))
  if (token === undefined) return undefined
  const principal = await principalOf(context, token, 'session')
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') requireOwnOrigin(context, c)
  return remember(c, principal)
}

/** Verifies a token at the current time. Errors: unauthenticated (invalid, revoked, or of a person
 *  who has lost their access or must sign in again). */
export async function principalOf(
  context: AppContext,
  token: string,
  use: TokenUse,
): Promise<Principal> {
  const { keys, people, config } = context
  const now = context.now()
  const principal = await verifyToken(keys.tokens, token, { now, use })
  requireUnrevoked(context, principal)
  return { ...people.limit(principal, now), publicAccess: config.publicProjects }
}

/** Revokes a token and its descendants. Without `author` nothing is written to the audit log:
 *  signing out affects nobody else. Errors: too_large; storage_full (the token is revoked until
 *  the next start). */
export async function revokeToken(
  { metadata, revocations }: AppContext,
  { use, principal }: { use: TokenUse; principal: Principal },
  author?: Author,
): Promise<void> {
  const token = describeToken(principal)
  const { id } = token
  const { issuedAt, expiresAt, person, access, lineage } = principal
  const isSession = use === 'session'
  const isAdmin = mayAdminister(principal)
  // Tokens minted by an administrator's token may outlive it; sessions mint none.
  const endsAt = isAdmin && !isSession ? Infinity : expiresAt + limits.signedUrlMsMax
  await revokeDurably(
    () => revocations.addToken(id, endsAt),
    metadata.revokeToken(
      {
        id,
        // An administrator's token may name a project, but is not among the project's tokens.
        project: isAdmin ? null : principal.project,
        holder: person?.id ?? (access.length > 0 ? lineage.at(-1)! : null),
        isSession,
        issuedAt,
        endsAt,
      },
      author && { ...author, token },
    ),
  )
}

/** Describes a token that was minted and thus has an id. */
export function describeToken({ lineage, scope, run, job, expiresAt }: Principal): DescribedToken {
  const [id] = lineage
  if (id === undefined) throw new Error('a token that was read has an id')
  return { id, scope, run: run?.number ?? null, job, expiresAt }
}

/** Revokes all tokens of the project issued at or before `issuedUntil`. Errors: storage_full, as
 *  in `revokeToken`. */
export async function revokeProjectTokens(
  { metadata, revocations }: AppContext,
  project: ProjectName,
  issuedUntil: number,
  author: Author,
): Promise<void> {
  await revokeDurably(
    () => revocations.addProject(project, issuedUntil),
    metadata.revokeProjectTokens(project, issuedUntil, author),
  )
}

/** Revokes in memory even if the write fails because the disk is full or read-only, so that a
 *  leaked token cannot be used meanwhile; the failure is still reported. */
async function revokeDurably(revoke: () => void, written: Promise<void>): Promise<void> {
  try {
    await written
  } catch (error) {
    if (!hasCode(error, 'too_large')) revoke()
    throw error
  }
  revoke()
}

/** Rejects requests whose Origin is not this server. A second defence against CSRF: with
 *  SameSite=Lax browsers already send the cookie cross-site with top-level GETs only. Errors:
 *  forbidden. */
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
