/** `POST /tokens` mints tokens for jobs and people. `POST /tokens/exchange` exchanges an ID
 *  token, signed by a CI system for its job, for a token. `…/tokens/revoke` revokes tokens
 *  before they expire. */
import type { Hono } from 'hono'
import {
  idTokenRequestSchema,
  revocationRequestSchema,
  tokenRequestSchema,
  type WireCurrentToken,
  type WireRevokedToken,
  type WireRevokedTokens,
} from '../../api/token-messages.ts'
import { apiRoot, currentTokenPath } from '../../api/paths.ts'
import { noFields, tokenListQuery } from '../../api/queries.ts'
import { grantOfIdToken } from '../../auth/id-token.ts'
import { mayAdminister, mayMint, type Principal } from '../../auth/principal.ts'
import { grantOf, type TokenRequest } from '../../auth/token-request.ts'
import { mintToken, readToken } from '../../auth/tokens.ts'
import { forbidden, unauthenticated } from '../../core/errors.ts'
import { readProgramVersion } from '../../program-files.ts'
import { actorOf, authorOf } from './actor.ts'
import { projectOf, requireOversight, requireWriteProject } from './access.ts'
import { instant } from '../instant.ts'
import {
  describeToken,
  requireBearer,
  requirePrincipal,
  revokeProjectTokens,
  revokeToken,
} from './authenticate.ts'
import { sendJson } from '../body/gzip.ts'
import type { AppContext, AppEnv, AppRequest } from '../context.ts'
import { linkNext, parseBody, parseOffsetCursor, parseQuery, projectParameter } from '../input.ts'
import { noteToken, readTokens, revokeListed } from './minted-tokens.ts'

export function addTokenRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.post(`${apiRoot}/tokens`, async (c) => {
    const principal = await requireBearer(context, c)
    const request = await parseBody(context, c, tokenRequestSchema)
    const grant = grantBy(principal, request, context.now())
    if (!mayMint(principal, grant)) {
      throw forbidden(
        'minting requires a token of scope admin, or one of scope write for tokens of its project that do not outlive it',
      )
    }
    const token = await mintToken(context.keys.tokens, grant)
    await noteToken(context, token, { at: context.now(), by: actorOf(principal, 'api') })
    return tokenResponse(c, token, grant)
  })
  app.get(`${apiRoot}/tokens`, async (c) => await listTokens(context, c))
  app.get(currentTokenPath, async (c) => await describeCurrent(context, c))
  app.post(`${apiRoot}/tokens/exchange`, async (c) => await exchange(context, c))
  app.post(`${apiRoot}/tokens/revoke`, async (c) => await revoke(context, c))
  app.post(
    `${apiRoot}/projects/:owner/:repo/tokens/revoke`,
    async (c) => await revokeAll(context, c),
  )
}

/** The project defaults to that of the minting token. If no lifetime is requested, the grant
 *  expires no later than the minting token. */
function grantBy(principal: Principal, request: TokenRequest, now: number): Principal {
  const own = request.projects === undefined ? (principal.project ?? undefined) : undefined
  const project = request.project ?? own
  const { issuedAt, lineage, person } = principal
  const grant = {
    ...grantOf({ ...request, ...(request.scope !== 'admin' && { project }) }, now),
    // Revoking the tokens of a project does not cover those that are for several.
    ...(principal.project !== null && !mayAdminister(principal) && { issuedAt }),
    lineage,
    // What a person mints is limited to their access, too.
    person,
  }
  if (request.expiresInSeconds !== undefined) return grant
  return { ...grant, expiresAt: Math.min(grant.expiresAt, principal.expiresAt) }
}

async function exchange(context: AppContext, c: AppRequest): Promise<Response> {
  if (context.idTokens === null) {
    throw unauthenticated('this server trusts no issuer of ID tokens (TROVE_OIDC)')
  }
  const request = await parseBody(context, c, idTokenRequestSchema)
  const { claims, trusted } = await context.idTokens.verify(request.idToken)
  const grant = grantOfIdToken(claims, request, context.now())
  if (grant.project === null || !trusted.speaksFor(grant.project)) {
    const reason = `ID tokens of ${trusted.issuer} are not trusted for ${grant.project} (TROVE_OIDC)`
    throw forbidden(reason)
  }
  return tokenResponse(c, await mintToken(context.keys.tokens, grant), grant)
}

async function listTokens(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requirePrincipal(context, c)
  const { project: named, limit, cursor } = parseQuery(c, tokenListQuery)
  const project = projectOf(principal, named)
  await requireOversight(context, principal, project)
  const before = parseOffsetCursor(cursor)
  const { items, next } = await readTokens(context, { project }, { limit, before })
  const nextCursor = linkNext(context, c, next)
  return await sendJson(c, { items, nextCursor })
}

/** Describes the token, or the browser session, that the request was sent with. */
async function describeCurrent(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requirePrincipal(context, c)
  parseQuery(c, noFields)
  const { scope, project, access, run, job, person, expiresAt } = principal
  const message: WireCurrentToken = {
    id: describeToken(principal).id,
    scope,
    // An administrator's token may name a project, which does not limit it.
    project: mayAdminister(principal) ? null : project,
    access: [...access],
    run: run?.number ?? null,
    attempt: run?.attempt ?? null,
    job,
    person: person?.name ?? null,
    // The cookie of a session counts only without this header.
    session: c.req.header('authorization') === undefined,
    expiresAt: instant(expiresAt),
    serverVersion: readProgramVersion(),
  }
  return c.json(message, 200, { 'cache-control': 'no-store' })
}

/** Revoking a token by its text needs no other credential: its holder could do worse with it.
 *  Revoking by id requires a principal. */
async function revoke(context: AppContext, c: AppRequest): Promise<Response> {
  const { token, id } = await parseBody(context, c, revocationRequestSchema)
  const revoked =
    id === undefined ? await revokeByText(context, token ?? '') : await revokeById(context, c, id)
  const { scope, project, access, run, job, expiresAt } = revoked
  const message: WireRevokedToken = {
    scope,
    project,
    access: [...access],
    run: run?.number ?? null,
    job,
    expiresAt: instant(expiresAt),
  }
  return c.json(message)
}

async function revokeByText(context: AppContext, token: string): Promise<Principal> {
  const read = await readToken(context.keys.tokens, token)
  await revokeToken(context, read, { at: context.now(), by: null })
  return read.principal
}

async function revokeById(context: AppContext, c: AppRequest, id: string): Promise<Principal> {
  const principal = await requirePrincipal(context, c)
  const author = authorOf(context, principal, 'api')
  return await revokeListed(context, principal, { id, author })
}

async function revokeAll(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requirePrincipal(context, c)
  const project = projectParameter(c)
  requireWriteProject(principal, project)
  await parseBody(context, c, noFields)
  const author = authorOf(context, principal, 'api')
  const issuedUntil = author.at
  await revokeProjectTokens(context, project, issuedUntil, author)
  const message: WireRevokedTokens = { project, issuedUntil: instant(issuedUntil) }
  return c.json(message)
}

function tokenResponse(c: AppRequest, token: string, grant: Principal): Response {
  c.header('cache-control', 'no-store')
  return c.json({ token, expiresAt: instant(grant.expiresAt) }, 201)
}
