/** `/admin`: collecting garbage, scrub and backup by hand. Each is a job, put in the queue and asked about. */
import { Hono } from 'hono'
import {
  backupRequestSchema,
  collectionRequestSchema,
  type WireJob,
} from '../../api/admin-messages.ts'
import { apiRoot, backupPath, collectionPath, jobPath, scrubPath } from '../../api/paths.ts'
import { StoreError, storeError } from '../../core/errors.ts'
import type { Job } from '../../lifecycle/jobs.ts'
import { requireAdmin } from '../access/access.ts'
import { instant } from '../artifact/artifact-message.ts'
import type { AppContext, AppEnv, AppRequest } from '../context.ts'
import { parseBody } from '../input.ts'

export function createMaintenanceRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.post(collectionPath, async (c) => {
    await requireAdmin(context, c)
    const body = await parseBody(context, c, collectionRequestSchema)
    const reach = body.now ? 'now' : 'background'
    return accepted(c, context.maintenance.collect({ reach, dryRun: body.dryRun }))
  })
  app.post(scrubPath, async (c) => {
    await requireAdmin(context, c)
    return accepted(c, context.upkeep.scrub())
  })
  app.post(backupPath, async (c) => {
    await requireAdmin(context, c)
    return accepted(c, context.upkeep.backUp(await parseBody(context, c, backupRequestSchema)))
  })
  app.get(`${apiRoot}/admin/jobs`, async (c) => {
    await requireAdmin(context, c)
    const items = context.maintenance.jobs.list().map(jobMessage)
    return c.json({ items }, 200, { 'cache-control': 'no-store' })
  })
  app.get(`${apiRoot}/admin/jobs/:id`, async (c) => {
    await requireAdmin(context, c)
    const id = c.req.param('id')
    const job = context.maintenance.jobs.find(id)
    if (job === undefined)
      throw storeError('not_found', `there is no job ${id}, or it is long over`, { what: 'job' })
    return c.json(jobMessage(job), 200, { 'cache-control': 'no-store' })
  })
  return app
}

/** The answer to whoever put a job in the queue. */
function accepted(c: AppRequest, job: Job): Response {
  return c.json(jobMessage(job), 202, { location: jobPath(job.id), 'cache-control': 'no-store' })
}

function jobMessage(job: Job): WireJob {
  const { id, kind, origin, state, createdAt, endedAt, progress } = job
  return {
    id,
    kind,
    origin,
    state,
    createdAt: instant(createdAt),
    endedAt: endedAt === null ? null : instant(endedAt),
    progress: { ...progress },
    ...failureOf(job),
  }
}

function failureOf({ id, error }: Job): Pick<WireJob, 'error' | 'code'> {
  if (error === null) return { error: null, code: null }
  if (error instanceof StoreError) return { error: error.message, code: error.code }
  if (error.name === 'AbortError') return { error: 'the server is stopping', code: 'shutting_down' }
  // What is no expected failure may tell of paths.
  return { error: `an internal error happened; the log has it under job ${id}`, code: 'internal' }
}
