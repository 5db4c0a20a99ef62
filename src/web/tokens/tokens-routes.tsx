/** The pages of tokens of the whole store and of one project. */
import type { WireMintedToken } from '../../api/token-messages.ts'
import { authorOf } from '../../http/access/actor.ts'
import { revokeProjectTokens } from '../../http/access/authenticate.ts'
import { readListed, readTokens, revokeListed } from '../../http/access/minted-tokens.ts'
import type { AppRequest } from '../../http/context.ts'
import { numberOfQuery, readForm } from '../input.ts'
import { headingOf, overseenPlace } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { tokensPagePath } from '../paths.ts'
import { TokensPage } from './tokens-page.tsx'

const tokensShown = 50

export async function tokensPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const { principal, project } = await overseenPlace(context, c)
  const page = { limit: tokensShown, before: numberOfQuery(c, 'before') }
  const { items, next } = await readTokens(context, { project }, page)
  const id = c.req.query('revoke')
  const asksForAll = id === 'all' && project !== null
  const one: WireMintedToken | undefined =
    id === undefined || asksForAll ? undefined : await readListed(context, principal, id)
  const revoking = asksForAll ? 'all' : one
  return await sendPage(web, c, {
    ...headingOf('Tokens', project),
    body: <TokensPage {...{ project, revoking, tokens: items, next, now: context.now() }} />,
  })
}

export async function revokeTokens({ context }: Web, c: AppRequest): Promise<Response> {
  const { principal, project } = await overseenPlace(context, c)
  const id = (await readForm(context, c)).get('revoke') ?? ''
  const author = authorOf(context, principal, 'page')
  if (id === 'all' && project !== null)
    await revokeProjectTokens(context, project, author.at, author)
  else await revokeListed(context, principal, { id, author })
  return c.redirect(tokensPagePath(project), 303)
}
