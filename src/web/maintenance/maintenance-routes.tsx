/** Maintenance from a browser: forms start the jobs of http/operation, and a page shows their
 *  progress. */
import { backupRequestSchema } from '../../api/admin-messages.ts'
import { invalidRequest } from '../../core/errors.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import { parseInput } from '../../http/input.ts'
import { authorOf } from '../../http/access/actor.ts'
import { requireAdmin } from '../../http/access/access.ts'
import {
  cancelByHand,
  startByHand,
  type MaintenanceByHand,
} from '../../http/operation/maintenance.ts'
import { readForm } from '../input.ts'
import { MaintenancePage } from './maintenance-page.tsx'
import type { Snapshots } from './metadata-snapshot.tsx'
import { sendPage, type Web } from '../page.tsx'
import { maintenancePath } from '../paths.ts'

const jobsShown = 10
const damagedShown = 20

export async function maintenancePage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  await requireAdmin(context, c)
  const id = c.req.query('job')
  const { jobs } = context.maintenance
  const job = id === undefined ? undefined : jobs.find(id)
  const { removedBytes, packs, storedBytes, liveBytes } = await context.metadata.figures()
  const now = context.now()
  const { artifacts: damaged, total: damagedTotal } = await context.metadata.listArtifacts(
    { state: 'damaged' },
    { limit: damagedShown, offset: 0, sort: 'newest', now },
  )
  const view = {
    job,
    isUnknownJob: id !== undefined && job === undefined,
    confirmsNow: c.req.query('confirm') === 'now',
    removedBytes,
    collectEveryMs: context.config.gcIntervalMs,
    clockDoubt: context.clock.look(),
    scrubEveryMs: context.config.scrubIntervalMs,
    packs,
    deadBytes: storedBytes - liveBytes,
    verifiedAt: await oldestVerification(context),
    snapshots: snapshotsOf(context),
    damaged,
    damagedTotal,
    recent: jobs
      .list()
      .filter((each) => each.id !== id)
      .slice(0, jobsShown),
    now,
  }
  return await sendPage(web, c, { title: 'Maintenance', body: <MaintenancePage {...view} /> })
}

function snapshotsOf({ config, backgroundJobs, maintenance }: AppContext): Snapshots | null {
  const { snapshots } = backgroundJobs
  if (snapshots === null) return null
  const tally = maintenance.jobs.tallies().find(({ kind }) => kind === 'snapshot')
  return {
    everyMs: config.snapshotIntervalMs,
    takenAt: tally?.lastDoneAt ?? null,
    changesEveryMs: config.changesIntervalMs,
    lagMs: snapshots.lagMs(),
  }
}

/** When the pack that has waited longest for a scrub was last verified, where writing a pack counts
 *  as verifying it; null if no pack holds live data. */
async function oldestVerification({ metadata }: AppContext): Promise<number | null> {
  const [oldest] = await metadata.listUnverifiedPacks({
    since: Number.MAX_SAFE_INTEGER,
    now: Number.MAX_SAFE_INTEGER,
    writtenBefore: Number.MAX_SAFE_INTEGER,
    after: { verifiedAt: -1, id: 0 },
    limit: 1,
  })
  return oldest?.verifiedAt ?? null
}

export async function startMaintenance({ context }: Web, c: AppRequest): Promise<Response> {
  const principal = await requireAdmin(context, c)
  const author = authorOf(context, principal, 'page')
  const form = await readForm(context, c)
  const job =
    form.get('action') === 'cancel'
      ? await cancelByHand(context, author, form.get('job') ?? '')
      : await startByHand(context, author, wantedBy(form))
  return c.redirect(maintenancePath(job.id), 303)
}

function wantedBy(form: URLSearchParams): MaintenanceByHand {
  switch (form.get('action')) {
    case 'plan':
      return { kind: 'gc', now: false, dryRun: true }
    case 'collect':
      return { kind: 'gc', now: false, dryRun: false }
    case 'now':
      return { kind: 'gc', now: true, dryRun: false }
    case 'scrub':
      return { kind: 'scrub' }
    case 'snapshot':
      return { kind: 'snapshot' }
    case 'backup': {
      const wanted = { destination: form.get('destination'), copies: form.get('copies') === '1' }
      return { kind: 'backup', ...parseInput(backupRequestSchema, wanted, 'form') }
    }
    default:
      throw invalidRequest('action', 'choose an action')
  }
}
