/** `/admin`: scrub and backup by hand. Both are jobs, asked about as those of maintenance.ts are. */
import { Hono } from 'hono'
import { backupRequestSchema } from '../../api/admin-messages.ts'
import { backupPath, scrubPath } from '../../api/paths.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { parseInput } from '../input.ts'
import { accepted, requireAdmin } from './maintenance.ts'
import { readJsonBody } from '../body/request-body.ts'

export function createUpkeepRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.post(scrubPath, async (c) => {
    await requireAdmin(context, c)
    return accepted(c, context.upkeep.scrub())
  })
  app.post(backupPath, async (c) => {
    await requireAdmin(context, c)
    const body = parseInput(backupRequestSchema, await readJsonBody(context, c), 'body')
    return accepted(c, context.upkeep.backUp(body))
  })
  return app
}
