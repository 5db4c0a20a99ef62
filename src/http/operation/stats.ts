/** `GET /stats`: statistics of the whole store for administrators, else of one project. */
import { Hono } from 'hono'
import { apiRoot } from '../../api/paths.ts'
import { statsQuery } from '../../api/queries.ts'
import { mayAdminister } from '../../auth/principal.ts'
import { usageOfProject, usageOfStore } from '../../stats/usage.ts'
import { forbidden, requireInspectProject, projectOf, readProject } from '../access/access.ts'
import { requirePrincipal } from '../access/authenticate.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { parseQuery } from '../input.ts'

export function createStatsRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get(`${apiRoot}/stats`, async (c) => {
    const principal = await requirePrincipal(context, c)
    const { project } = parseQuery(c, statsQuery)
    c.header('cache-control', 'no-store')
    if (project === undefined && mayAdminister(principal)) {
      return c.json(usageOfStore(await context.metadata.figures()))
    }
    const name = projectOf(principal, project)
    if (name === null)
      throw forbidden('statistics of the whole store require a token of scope admin')
    const found = await readProject(context, principal, name)
    requireInspectProject(principal, found.name)
    return c.json(usageOfProject(await context.metadata.projectFigures(found.id)))
  })
  return app
}
