/** `POST /tokens`: administrators mint tokens for jobs and people. */
import { Hono } from 'hono'
import { tokenRequestSchema } from '../api/admin-messages.ts'
import { apiRoot } from '../api/paths.ts'
import { mayAdminister } from '../auth/principal.ts'
import { grantOf } from '../auth/token-request.ts'
import { mintToken } from '../auth/tokens.ts'
import { forbidden } from './access.ts'
import { instant } from './artifact-message.ts'
import { requireBearer } from './authenticate.ts'
import type { AppContext, AppEnv } from './context.ts'
import { parseInput } from './input.ts'
import { readJsonBody } from './request-body.ts'

export function createTokenRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.post(`${apiRoot}/tokens`, async (c) => {
    const principal = await requireBearer(context, c)
    if (!mayAdminister(principal)) throw forbidden('minting tokens needs a token of scope admin')
    const request = parseInput(tokenRequestSchema, await readJsonBody(context, c), 'body')
    const grant = grantOf(request, context.now())
    const token = await mintToken(context.keys.tokens, grant)
    c.header('cache-control', 'no-store')
    return c.json({ token, expiresAt: instant(grant.expiresAt) }, 201)
  })
  return app
}
