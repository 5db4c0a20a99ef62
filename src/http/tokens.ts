/** `POST /tokens`: who may do more mints tokens for jobs and people. `POST /tokens/exchange`: jobs get theirs for what
 *  their CI system signs for them. */
import { Hono } from 'hono'
import { idTokenRequestSchema, tokenRequestSchema } from '../api/admin-messages.ts'
import { apiRoot } from '../api/paths.ts'
import { grantOfIdToken } from '../auth/id-token.ts'
import { mayMint, type Principal } from '../auth/principal.ts'
import { grantOf, tokenLifeSeconds, type TokenRequest } from '../auth/token-request.ts'
import { mintToken } from '../auth/tokens.ts'
import { storeError } from '../core/errors.ts'
import { forbidden } from './access.ts'
import { instant } from './artifact-message.ts'
import { requireBearer } from './authenticate.ts'
import type { AppContext, AppEnv, AppRequest } from './context.ts'
import { parseInput } from './input.ts'
import { readJsonBody } from './request-body.ts'

export function createTokenRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.post(`${apiRoot}/tokens`, async (c) => {
    const principal = await requireBearer(context, c)
    const request = parseInput(tokenRequestSchema, await readJsonBody(context, c), 'body')
    const grant = grantBy(principal, request, context.now())
    if (!mayMint(principal, grant)) {
      throw forbidden(
        'minting tokens needs a token of scope admin, or for tokens of its project that do not outlive it, of scope write',
      )
    }
    return await answerWith(context, c, grant)
  })
  app.post(`${apiRoot}/tokens/exchange`, async (c) => await exchange(context, c))
  return app
}

/** What is not asked for is as with the minter: the project, and an end that is not after theirs. */
function grantBy(principal: Principal, request: TokenRequest, now: number): Principal {
  const project = request.project ?? principal.project ?? undefined
  const grant = grantOf({ ...request, ...(request.scope !== 'admin' && { project }) }, now)
  if (request.expiresInSeconds !== undefined) return grant
  return { ...grant, expiresAt: Math.min(grant.expiresAt, principal.expiresAt) }
}

async function exchange(context: AppContext, c: AppRequest): Promise<Response> {
  if (context.idTokens === null) {
    const reason = 'this server trusts no issuer of ID tokens (TROVE_OIDC)'
    throw storeError('unauthenticated', reason, { reason })
  }
  const request = parseInput(idTokenRequestSchema, await readJsonBody(context, c), 'body')
  const { claims, trusted } = await context.idTokens.verify(request.idToken)
  const grant = grantOfIdToken(claims, request, context.now() + tokenLifeSeconds * 1000)
  if (grant.project === null || !trusted.speaksFor(grant.project)) {
    const reason = `ID tokens of ${trusted.issuer} are not trusted for ${grant.project} (TROVE_OIDC)`
    throw forbidden(reason)
  }
  return await answerWith(context, c, grant)
}

async function answerWith(context: AppContext, c: AppRequest, grant: Principal): Promise<Response> {
  const token = await mintToken(context.keys.tokens, grant)
  c.header('cache-control', 'no-store')
  return c.json({ token, expiresAt: instant(grant.expiresAt) }, 201)
}
