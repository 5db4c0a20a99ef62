/** `GET /stats`: statistics of one project; without one, of the whole store for administrators,
 *  else the sum over the projects of the token. */
import type { Hono } from 'hono'
import { apiRoot } from '../../api/paths.ts'
import { statsQuery } from '../../api/queries.ts'
import { mayAdminister, type Principal } from '../../auth/principal.ts'
import type { ProjectName } from '../../core/run/run.ts'
import { usageOfProjects, usageOfStore } from '../../stats/usage.ts'
import {
  namedProject,
  projectIdsOf,
  readableProjects,
  readProject,
  requireInspectProject,
} from '../access/access.ts'
import { requirePrincipal } from '../access/authenticate.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { parseQuery } from '../input.ts'

export function addStatsRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(`${apiRoot}/stats`, async (c) => {
    const principal = await requirePrincipal(context, c)
    const { project } = parseQuery(c, statsQuery)
    c.header('cache-control', 'no-store')
    if (project === undefined && mayAdminister(principal)) {
      return c.json(usageOfStore(await context.metadata.figures()))
    }
    const ids = await projectsOf(context, principal, namedProject(principal, project))
    const figures = []
    // One after the other, so that other requests get their turns between them.
    for (const id of ids) figures.push(await context.metadata.projectFigures(id))
    return c.json(usageOfProjects(figures))
  })
}

async function projectsOf(
  context: AppContext,
  principal: Principal,
  name: ProjectName | null,
): Promise<number[]> {
  if (name !== null) {
    const { id } = await readProject(context, principal, name)
    requireInspectProject(principal, name)
    return [id]
  }
  const ids = await projectIdsOf(context, principal, { project: null, to: 'inspect' })
  return ids ?? (await readableProjects(context, principal)).map(({ id }) => id)
}
