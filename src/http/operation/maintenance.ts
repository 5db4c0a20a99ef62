/** `/admin`: maintenance by hand. A job is put in the queue and asked about. */
import { Hono } from 'hono'
import { collectionRequestSchema, type WireJob } from '../../api/admin-messages.ts'
import { apiRoot, jobPath } from '../../api/paths.ts'
import { mayAdminister } from '../../auth/principal.ts'
import { StoreError, storeError } from '../../core/errors.ts'
import type { Job } from '../../lifecycle/jobs.ts'
import { forbidden } from '../access/access.ts'
import { instant } from '../artifact/artifact-message.ts'
import { requirePrincipal } from '../access/authenticate.ts'
import type { AppContext, AppEnv, AppRequest } from '../context.ts'
import { parseInput } from '../input.ts'
import { readJsonBody } from '../body/request-body.ts'

export function createMaintenanceRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.post(`${apiRoot}/admin/gc`, async (c) => {
    await requireAdmin(context, c)
    const body = parseInput(collectionRequestSchema, await readJsonBody(context, c), 'body')
    const reach = body.now ? 'now' : 'background'
    return accepted(c, context.maintenance.collect({ reach, dryRun: body.dryRun }))
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

/** Errors: unauthenticated, forbidden. */
export async function requireAdmin(context: AppContext, c: AppRequest): Promise<void> {
  const principal = await requirePrincipal(context, c)
  if (!mayAdminister(principal)) throw forbidden('maintenance needs a token of scope admin')
}

/** The answer to whoever put a job in the queue. */
export function accepted(c: AppRequest, job: Job): Response {
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
