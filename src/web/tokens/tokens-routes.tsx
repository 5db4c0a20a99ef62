/** The pages of tokens of the whole store and of one project. */
import { Hono } from 'hono'
import type { WireMintedToken } from '../../api/token-messages.ts'
import type { Principal } from '../../auth/principal.ts'
import type { ProjectName } from '../../core/run/run.ts'
import { requireAdmin, requireOversight } from '../../http/access/access.ts'
import { authorOf } from '../../http/access/actor.ts'
import { revokeProjectTokens } from '../../http/access/authenticate.ts'
import { readListed, readTokens, revokeListed } from '../../http/access/minted-tokens.ts'
import type { AppEnv, AppRequest } from '../../http/context.ts'
import { numberOfQuery, readForm } from '../input.ts'
import { crumbsOf, inspectedProjectOfPage } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { tokensPagePath } from '../paths.ts'
import { TokensPage } from './tokens-page.tsx'

const tokensShown = 50

interface Place {
  principal: Principal
  /** Null: all projects. */
  project: ProjectName | null
}

export function createTokenPages(web: Web): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  const ofStore = async (c: AppRequest): Promise<Place> => {
    return { principal: await requireAdmin(web.context, c), project: null }
  }
  const ofProject = async (c: AppRequest): Promise<Place> => {
    const { principal, project } = await inspectedProjectOfPage(web.context, c)
    await requireOversight(web.context, principal, project.name)
    return { principal, project: project.name }
  }
  for (const [path, placeOf] of [
    ['/admin/tokens', ofStore],
    ['/:owner/:repo/settings/tokens', ofProject],
  ] as const) {
    app.get(path, async (c) => await tokensPage(web, c, await placeOf(c)))
    app.post(path, async (c) => await revoke(web, c, await placeOf(c)))
  }
  return app
}

async function tokensPage(
  web: Web,
  c: AppRequest,
  { principal, project }: Place,
): Promise<Response> {
  const { context } = web
  const page = { limit: tokensShown, before: numberOfQuery(c, 'before') }
  const { items, next } = await readTokens(context, { project }, page)
  const id = c.req.query('revoke')
  const asksForAll = id === 'all' && project !== null
  const one: WireMintedToken | undefined =
    id === undefined || asksForAll ? undefined : await readListed(context, principal, id)
  const revoking = asksForAll ? 'all' : one
  return await sendPage(web, c, {
    title: project === null ? 'Tokens' : `Tokens · ${project}`,
    ...(project !== null && { crumbs: crumbsOf({ project }) }),
    body: <TokensPage {...{ project, revoking, tokens: items, next, now: context.now() }} />,
  })
}

async function revoke(
  { context }: Web,
  c: AppRequest,
  { principal, project }: Place,
): Promise<Response> {
  const id = (await readForm(context, c)).get('revoke') ?? ''
  const author = authorOf(context, principal, 'page')
  if (id === 'all' && project !== null)
    await revokeProjectTokens(context, project, author.at, author)
  else await revokeListed(context, principal, { id, author })
  return c.redirect(tokensPagePath(project), 303)
}
