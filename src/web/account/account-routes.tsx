/** `GET /account`, `POST /account`. */
import { Hono } from 'hono'
import { personalDays, personalGrant, personalScopes } from '../../auth/person-grant.ts'
import { mintToken } from '../../auth/tokens.ts'
import { storeError } from '../../core/errors.ts'
import { actorOf } from '../../http/access/actor.ts'
import { requireSession } from '../../http/access/authenticate.ts'
import { noteToken } from '../../http/access/minted-tokens.ts'
import { publicOrigin, type AppEnv, type AppRequest } from '../../http/context.ts'
import { readForm } from '../input.ts'
import { sendPage, type Web } from '../page.tsx'
import { accountPath } from '../paths.ts'
import { AccountPage, type AccountView } from './account-page.tsx'

export function createAccountPages(web: Web): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get(accountPath, async (c) => await accountPage(web, c, undefined))
  app.post(accountPath, async (c) => await makeToken(web, c))
  return app
}

async function accountPage(web: Web, c: AppRequest, made: AccountView['made']): Promise<Response> {
  const { context } = web
  const view = {
    principal: await requireSession(context, c),
    made,
    origin: publicOrigin(context, c),
    now: context.now(),
  }
  return await sendPage(web, c, { title: 'Account', body: <AccountPage {...view} /> })
}

/** The page of a token is the response to its form, not a redirect: the token must not be in an
 *  address. Sending the form again makes another token. */
async function makeToken(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const principal = await requireSession(context, c)
  const form = await readForm(context, c)
  const scope = personalScopes(principal).find((each) => each === form.get('scope'))
  const days = personalDays.find((each) => String(each) === form.get('days'))
  if (scope === undefined || days === undefined) {
    const field = scope === undefined ? 'scope' : 'days'
    throw storeError('invalid_request', `this session makes no such token (${field})`, { field })
  }
  const now = context.now()
  const grant = personalGrant(principal, { scope, days }, now)
  const token = await mintToken(context.keys.tokens, grant)
  await noteToken(context, token, { at: now, by: actorOf(principal, 'page') })
  return await accountPage(web, c, { token, scope, expiresAt: grant.expiresAt })
}
