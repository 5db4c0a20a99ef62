/** `/admin`: garbage collection, scrub, backup and metadata snapshots on request. Each is a queued
 *  job whose state can be polled. */
import type { Hono } from 'hono'
import {
  backupRequestSchema,
  collectionRequestSchema,
  type WireJob,
} from '../../api/admin-messages.ts'
import {
  backupPath,
  collectionPath,
  jobPath,
  jobsPath,
  scrubPath,
  snapshotPath,
} from '../../api/paths.ts'
import { jobListQuery, noFields } from '../../api/queries.ts'
import type { Principal } from '../../auth/principal.ts'
import { hasCode, invalidRequest, notFound, StoreError } from '../../core/errors.ts'
import type { Job } from '../../lifecycle/background/jobs.ts'
import type { Author, NewAct } from '../../metadata/metadata.ts'
import { requireAdmin } from '../access/access.ts'
import { authorOf } from '../access/actor.ts'
import { instant } from '../instant.ts'
import type { AppContext, AppEnv, AppRequest } from '../context.ts'
import { cutPage, linkNext, parseBody, parseOffsetCursor, parseQuery } from '../input.ts'

export function addMaintenanceRoutes(app: Hono<AppEnv>, context: AppContext): void {
  const start = async (principal: Principal, wanted: MaintenanceByHand): Promise<Job> =>
    await startByHand(context, authorOf(context, principal, 'api'), wanted)
  app.post(collectionPath, async (c) => {
    const principal = await requireAdmin(context, c)
    const body = await parseBody(context, c, collectionRequestSchema)
    return accepted(c, await start(principal, { kind: 'gc', ...body }))
  })
  app.post(scrubPath, async (c) => {
    const principal = await requireAdmin(context, c)
    await parseBody(context, c, noFields)
    return accepted(c, await start(principal, { kind: 'scrub' }))
  })
  app.post(backupPath, async (c) => {
    const principal = await requireAdmin(context, c)
    const body = await parseBody(context, c, backupRequestSchema)
    return accepted(c, await start(principal, { kind: 'backup', ...body }))
  })
  app.post(snapshotPath, async (c) => {
    const principal = await requireAdmin(context, c)
    await parseBody(context, c, noFields)
    return accepted(c, await start(principal, { kind: 'snapshot' }))
  })
  app.get(jobsPath, async (c) => {
    await requireAdmin(context, c)
    const { limit, cursor } = parseQuery(c, jobListQuery)
    const start = parseOffsetCursor(cursor) ?? 0
    const { jobs } = context.maintenance
    const { items, last } = cutPage(jobs.list().slice(start), limit)
    const nextCursor = linkNext(context, c, last === undefined ? null : start + limit)
    const page = { items: items.map(jobMessage), nextCursor }
    return c.json(page, 200, { 'cache-control': 'no-store' })
  })
  app.get(`${jobsPath}/:id`, async (c) => {
    await requireAdmin(context, c)
    parseQuery(c, noFields)
    const job = knownJob(context, c.req.param('id'))
    return c.json(jobMessage(job), 200, { 'cache-control': 'no-store' })
  })
  app.delete(`${jobsPath}/:id`, async (c) => {
    const principal = await requireAdmin(context, c)
    parseQuery(c, noFields)
    const job = await cancelByHand(context, authorOf(context, principal, 'api'), c.req.param('id'))
    return c.json(jobMessage(job), 200, { 'cache-control': 'no-store' })
  })
}

/** Errors: not_found. */
function knownJob({ maintenance }: AppContext, id: string): Job {
  const job = maintenance.jobs.find(id)
  if (job === undefined) throw notFound('job', `there is no job ${id}, or it ended long ago`)
  return job
}

/** Cancels a job, and records that in the audit log first unless the job has ended. Errors:
 *  not_found. */
export async function cancelByHand(context: AppContext, author: Author, id: string): Promise<Job> {
  const job = knownJob(context, id)
  if (job.endedAt !== null) return job
  const details = { job: id, jobKind: job.kind }
  await recordMaintenance(context, author, { kind: 'cancel-job', details })
  return context.maintenance.jobs.cancel(id) ?? job
}

export type MaintenanceByHand =
  | { kind: 'gc'; now: boolean; dryRun: boolean }
  | { kind: 'scrub' }
  | { kind: 'backup'; destination: string; copies: boolean }
  | { kind: 'snapshot' }

/** Queues a job on request. Records it in the audit log first, unless it is a dry run. */
export async function startByHand(
  context: AppContext,
  author: Author,
  wanted: MaintenanceByHand,
): Promise<Job> {
  const { maintenance, backgroundJobs } = context
  switch (wanted.kind) {
    case 'gc': {
      const { now, dryRun } = wanted
      if (!dryRun) await recordMaintenance(context, author, { kind: 'gc', details: { now } })
      return maintenance.collect({ reach: now ? 'now' : 'background', dryRun })
    }
    case 'scrub':
      await recordMaintenance(context, author, { kind: 'scrub' })
      return backgroundJobs.scrub()
    case 'backup': {
      const { destination } = wanted
      await recordMaintenance(context, author, { kind: 'backup', details: { destination } })
      return backgroundJobs.backUp(wanted)
    }
    case 'snapshot': {
      const { snapshots } = backgroundJobs
      if (snapshots === null) throw noBucket()
      await recordMaintenance(context, author, { kind: 'snapshot' })
      return snapshots.take()
    }
  }
}

/** Snapshots are part of the store's bucket. */
function noBucket(): StoreError {
  return invalidRequest(
    'TROVE_S3_BUCKET',
    'this store has its packs on its disk, and a metadata snapshot is for those with a bucket; `trove backup` copies both',
  )
}

/** Only logs a full disk: a job that frees space must not depend on free space. */
async function recordMaintenance(
  { space, metadata, log }: AppContext,
  author: Author,
  act: Omit<NewAct, 'project'>,
): Promise<void> {
  await space.makeRoom()
  try {
    await metadata.recordAct(author, { ...act, project: null })
  } catch (error) {
    if (!hasCode(error, 'storage_full')) throw error
    const tokens = author.by?.tokenIds.join(' ')
    log.warn('the disk is too full for the audit log', { act: act.kind, tokens })
  }
}

/** The response to queueing a job. */
function accepted(c: AppRequest, job: Job): Response {
  return c.json(jobMessage(job), 202, { location: jobPath(job.id), 'cache-control': 'no-store' })
}

function jobMessage(job: Job): WireJob {
  const { id, kind, origin, dryRun, state, createdAt, endedAt, progress } = job
  return {
    id,
    kind,
    origin,
    dryRun,
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
  // Messages of unexpected errors may contain paths.
  return { error: `internal error; see job ${id} in the server's log`, code: 'internal' }
}
