/** Settings of one project. */
import { Hono } from 'hono'
import { projectPolicySchema } from '../api/messages.ts'
import { apiRoot } from '../api/paths.ts'
import { mayAdminister } from '../auth/principal.ts'
import { forbidden, readProject } from './access.ts'
import { instant } from './artifact-message.ts'
import { requirePrincipal } from './authenticate.ts'
import type { AppContext, AppEnv } from './context.ts'
import { parseInput, projectParameter } from './input.ts'
import { readJsonBody } from './request-body.ts'

export function createProjectRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.patch(`${apiRoot}/projects/:owner/:repo`, async (c) => {
    const principal = await requirePrincipal(context, c)
    const project = await readProject(context, principal, projectParameter(c))
    if (!mayAdminister(principal)) throw forbidden('project settings need a token of scope admin')
    const policy = parseInput(projectPolicySchema, await readJsonBody(context, c), 'body')
    await context.metadata.setProjectPolicy(project.id, policy)
    return c.json({ name: project.name, ...policy, createdAt: instant(project.createdAt) })
  })
  return app
}
