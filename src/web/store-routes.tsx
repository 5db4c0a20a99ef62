/** Pages about bytes rather than runs: retention, finding a file by its digest. */
import { Hono } from 'hono'
import { mayAdminister, mayReadProject, type Principal } from '../auth/principal.ts'
import { findHolders, type Holder } from '../browse/holders.ts'
import { type Digest, parseWireDigest } from '../core/digest.ts'
import { compileLatestRule } from '../core/keep-latest.ts'
import { limits } from '../core/limits.ts'
import { checkOverrides } from '../core/retention.ts'
import { dayMs } from '../core/units.ts'
import { forbidden } from '../http/access.ts'
import { requirePrincipal } from '../http/authenticate.ts'
import type { AppContext, AppEnv, AppRequest } from '../http/context.ts'
import { retentionOf } from '../http/retention.ts'
import { walkArtifacts } from '../http/walk-artifacts.ts'
import { measureDeletion } from '../lifecycle/deletion.ts'
import type { Artifact, ArtifactFilter, ArtifactSums, Project } from '../metadata/metadata.ts'
import { daysOf, readForm } from './input.ts'
import { FindPage } from './find-page.tsx'
import { crumbsOf, projectOfPage } from './page-access.ts'
import { sendPage, type Web } from './page.tsx'
import { retentionPath } from './paths.ts'
import { RetentionPage, type Simulation } from './retention-page.tsx'

const holdersMax = 100
const lostShown = 20

export function createStorePages(web: Web): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get('/find', async (c) => await findPage(web, c))
  app.get('/:owner/:repo/settings/retention', async (c) => await retentionPage(web, c))
  app.post('/:owner/:repo/settings/retention', async (c) => await changeRetention(web, c))
  return app
}

async function findPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const principal = await requirePrincipal(context, c)
  const text = (c.req.query('digest') ?? '').trim()
  const hex = text.toLowerCase().replace(/^sha256:/, '')
  const digest = parseWireDigest(`sha256:${hex}`)
  const holders = digest === undefined ? [] : await readableHolders(context, principal, digest)
  const view = {
    text,
    digest,
    holders,
    isCut: holders.length === holdersMax,
    hashWorker: web.assets.pathOf('hash-worker'),
    now: context.now(),
  }
  return await sendPage(web, c, {
    title: 'Find a file',
    scripts: ['find-page'],
    body: <FindPage {...view} />,
  })
}

/** Only in what the visitor can read: an answer about others would tell that they have the file. */
async function readableHolders(
  context: AppContext,
  principal: Principal,
  digest: Digest,
): Promise<Holder[]> {
  const { metadata } = context
  const own = principal.project === null ? undefined : await metadata.findProject(principal.project)
  const isWide = mayAdminister(principal)
  if (!isWide && (own === undefined || !mayReadProject(principal, own.name))) {
    throw forbidden('finding files needs a token that reads its whole project')
  }
  return await findHolders(metadata, digest, {
    projectId: isWide ? null : (own?.id ?? null),
    now: context.now(),
    limit: holdersMax,
  })
}

async function retentionPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const { principal, project, mayWrite } = await projectOfPage(context, c)
  const days = c.req.query('days')
  const inDays = (ms: number | null): number | null => (ms === null ? null : Math.round(ms / dayMs))
  const kept = async (filter: ArtifactFilter): Promise<ArtifactSums> =>
    await context.metadata.sumArtifacts({ projectId: project.id, ...filter }, context.now())
  const view = {
    project,
    policy: await retentionOf(context, project.name),
    override: {
      defaultDays: inDays(project.retentionDefaultMs),
      maxDays: inDays(project.retentionMaxMs),
    },
    kept: await kept({ pinned: true }),
    keepLatest: { own: project.keepLatest, server: context.config.keepLatest },
    keptLatest: await kept({ keptLatest: true }),
    simulation: days === undefined ? undefined : await simulate(context, project, daysOf(days)),
    mayWrite,
    mayChange: mayAdminister(principal),
  }
  return await sendPage(web, c, {
    title: `Retention · ${project.name}`,
    crumbs: crumbsOf({ project: project.name }),
    body: <RetentionPage {...view} />,
  })
}

/** What would have expired by now if everything that is not kept lived for `days`. */
async function simulate(context: AppContext, project: Project, days: number): Promise<Simulation> {
  const { metadata } = context
  const now = context.now()
  const before = now - days * dayMs
  const lost: Artifact[] = []
  let complete = true
  const filter = { projectId: project.id, pinned: false, keptLatest: false }
  for await (const artifact of walkArtifacts(context, filter, 'oldest')) {
    if (artifact.createdAt > before) break
    complete = lost.length < limits.bulkDeleteMax
    if (!complete) break
    lost.push(artifact)
  }
  const ids = lost.map(({ id }) => id)
  return {
    days,
    lost: lost.slice(0, lostShown),
    lostCount: lost.length,
    lostBytes: lost.reduce((sum, { logicalBytes }) => sum + logicalBytes, 0),
    freedBytes: ids.length === 0 ? 0 : await measureDeletion(metadata, ids, now),
    complete,
  }
}

async function changeRetention({ context }: Web, c: AppRequest): Promise<Response> {
  const { principal, project } = await projectOfPage(context, c)
  if (!mayAdminister(principal)) throw forbidden('project settings need a token of scope admin')
  const form = await readForm(context, c)
  const length = (name: string): number | null => {
    const text = form.get(name) ?? ''
    return text === '' ? null : daysOf(text) * dayMs
  }
  const changes = {
    retentionDefaultMs: length('defaultDays'),
    retentionMaxMs: length('maxDays'),
    keepLatest: patternsOf(form),
  }
  checkOverrides({ ...project, ...changes })
  compileLatestRule(changes.keepLatest ?? [])
  await context.metadata.setProjectPolicy(project.id, changes, context.now())
  return c.redirect(retentionPath(project.name), 303)
}

/** Null: as the server. */
function patternsOf(form: URLSearchParams): string[] | null {
  if (form.get('latestFrom') !== 'project') return null
  return (form.get('keepLatest') ?? '').split(/\s+/).filter(Boolean)
}
