/** `/account`. */
import { personalDays, personalGrant, personalScopes } from '../../auth/person-grant.ts'
import type { Principal } from '../../auth/principal.ts'
import { mintToken } from '../../auth/tokens.ts'
import { invalidRequest } from '../../core/errors.ts'
import { dayMs } from '../../core/units.ts'
import { actorOf, authorOf } from '../../http/access/actor.ts'
import { requireSession } from '../../http/access/authenticate.ts'
import { noteToken, readTokens, revokeListed } from '../../http/access/minted-tokens.ts'
import { publicOrigin, type AppRequest } from '../../http/context.ts'
import { numberOfQuery, readForm } from '../input.ts'
import { sendPage, type Web } from '../page.tsx'
import { accountPath } from '../paths.ts'
import { AccountPage, type AccountView } from './account-page.tsx'

const tokensShown = 20

export async function accountPage(
  web: Web,
  c: AppRequest,
  made?: AccountView['made'],
): Promise<Response> {
  const { context } = web
  const principal = await requireSession(context, c)
  const page = { limit: tokensShown, before: numberOfQuery(c, 'before') }
  const { person } = principal
  const view = {
    principal,
    made,
    origin: publicOrigin(context, c),
    tokens: person && (await readTokens(context, { personId: person.id }, page)),
    awakeDays: Math.floor((context.config.singleSignOn?.awakeMs ?? 0) / dayMs),
    now: context.now(),
  }
  return await sendPage(web, c, { title: 'Account', body: <AccountPage {...view} /> })
}

export async function changeTokens(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const principal = await requireSession(context, c)
  const form = await readForm(context, c)
  const id = form.get('revoke')
  if (id === null) return await makeToken(web, c, { principal, form })
  await revokeListed(context, principal, { id, author: authorOf(context, principal, 'page') })
  return c.redirect(accountPath, 303)
}

/** The page of a token is the response to its form, not a redirect: the token must not be in an
 *  address. Sending the form again makes another token. */
async function makeToken(
  web: Web,
  c: AppRequest,
  { principal, form }: { principal: Principal; form: URLSearchParams },
): Promise<Response> {
  const { context } = web
  const scope = personalScopes(principal).find((each) => each === form.get('scope'))
  const days = personalDays.find((each) => String(each) === form.get('days'))
  if (scope === undefined || days === undefined) {
    const field = scope === undefined ? 'scope' : 'days'
    throw invalidRequest(field, `this session makes no such token (${field})`)
  }
  const now = context.now()
  const grant = personalGrant(principal, { scope, days }, now)
  const token = await mintToken(context.keys.tokens, grant)
  await noteToken(context, token, { at: now, by: actorOf(principal, 'page') })
  return await accountPage(web, c, { token, scope, expiresAt: grant.expiresAt })
}
