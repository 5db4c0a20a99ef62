/** Pages: plain HTML that works without scripts. Visitors without a session are sent to sign in; failures are pages. */
import { Hono } from 'hono'
import type { Child } from 'hono/jsx'
import { artifactPagePath, projectPagePath, runPagePath } from '../api/paths.ts'
import {
  isSameProject,
  mayAdminister,
  mayDeleteFromRun,
  mayReadProject,
  mayReadRun,
  type Principal,
} from '../auth/principal.ts'
import { damagedPaths } from '../egress/damage.ts'
import { listDirectory, noSuchPath } from '../browse/directory.ts'
import { artifactNotFound, assertLive } from '../browse/find-artifact.ts'
import { digestOf } from '../core/digest.ts'
import { hasCode, storeError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { parsePositiveInteger } from '../core/run.ts'
import { type Access, readableArtifact, readProject, requireDelete } from '../http/access.ts'
import { requirePrincipal } from '../http/authenticate.ts'
import { publicOrigin, type AppContext, type AppEnv, type AppRequest } from '../http/context.ts'
import { removeArtifact } from '../http/deletion.ts'
import { noteFailure } from '../http/failure.ts'
import { projectParameter } from '../http/input.ts'
import { problemStatus } from '../http/problem.ts'
import type { Project } from '../metadata/metadata.ts'
import { ArtifactPage } from './artifact-page.tsx'
import { HomePage } from './home-page.tsx'
import { type Crumb, renderPage } from './layout.tsx'
import { describeProblem, ProblemPage } from './problem-page.tsx'
import { type ListedRun, ProjectPage } from './project-page.tsx'
import { RunPage } from './run-page.tsx'
import { styleSheet } from './style.ts'

const runPath = '/:owner/:repo/actions/runs/:run{[0-9]+}'
const artifactPath = `${runPath}/artifacts/:id{[0-9]+}`

export function createPageRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  const styleTag = `"${digestOf(styleSheet).slice(0, 16)}"`
  app.get('/style.css', (c) => {
    const headers = { etag: styleTag, 'cache-control': 'public, no-cache' }
    if (c.req.header('if-none-match') === styleTag) return c.body(null, 304, headers)
    return c.body(styleSheet, 200, { ...headers, 'content-type': 'text/css; charset=utf-8' })
  })
  app.get('/', async (c) => await homePage(context, c))
  app.get('/:owner/:repo', async (c) => await projectPage(context, c))
  app.get(runPath, async (c) => await runPage(context, c))
  app.get(artifactPath, async (c) => await artifactPage(context, c))
  app.post(`${artifactPath}/delete`, async (c) => await deleteArtifact(context, c))
  app.onError(async (error, c) => await problemPage(c, error))
  return app
}

async function homePage(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requirePrincipal(context, c)
  const projects = await readableProjects(context, principal)
  const body = (
    <HomePage projects={projects} origin={publicOrigin(context, c)} now={context.now()} />
  )
  return await page(c, { title: 'Projects', crumbs: [], body })
}

async function readableProjects(
  { metadata }: AppContext,
  principal: Principal,
): Promise<Project[]> {
  if (mayAdminister(principal)) return await metadata.listProjects()
  const project =
    principal.project === null ? undefined : await metadata.findProject(principal.project)
  return project === undefined ? [] : [project]
}

async function projectPage(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requirePrincipal(context, c)
  const project = await readProject(context, principal, projectParameter(c))
  if (!mayReadProject(principal, project.name)) {
    const reason = 'this token reads only its own run'
    throw storeError('forbidden', reason, { reason })
  }
  const limit = limits.listPageDefault
  const before = c.req.query('before')
  const found = await context.metadata.listRuns(project.id, {
    limit,
    ...(before !== undefined && { before: parsePositiveInteger(before, 'before') }),
  })
  const runs = await Promise.all(
    found.map(async (run): Promise<ListedRun> => {
      const filter = { projectId: project.id, run: run.number, attempt: run.attempt }
      const { total } = await context.metadata.listArtifacts(filter, {
        limit: 1,
        offset: 0,
        sort: 'newest',
        now: context.now(),
      })
      return { run, artifacts: total }
    }),
  )
  const last = found.at(-1)
  const older =
    found.length === limit && last !== undefined
      ? `${projectPagePath(project.name)}?before=${last.id}`
      : null
  const body = <ProjectPage project={project} runs={runs} older={older} now={context.now()} />
  return await page(c, { title: project.name, crumbs: crumbsTo(project), body })
}

async function runPage(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requirePrincipal(context, c)
  const project = await readProject(context, principal, projectParameter(c))
  const number = parsePositiveInteger(c.req.param('run') ?? '', 'run')
  const mayRead = mayReadRun(principal, { project: project.name, runNumber: number })
  const run = mayRead ? await context.metadata.findRun(project.id, number) : undefined
  if (run === undefined) {
    const what = `run ${number} of ${project.name}`
    throw storeError('not_found', `there is no ${what}`, { what })
  }
  const now = context.now()
  const limit = limits.listPageMax
  const at = parsePositiveInteger(c.req.query('page') ?? '1', 'page')
  const { artifacts, total } = await context.metadata.listArtifacts(
    { projectId: project.id, run: number, state: 'any' },
    { limit, offset: (at - 1) * limit, sort: 'newest', now },
  )
  const older = at * limit < total ? `${runPagePath(project.name, number)}?page=${at + 1}` : null
  const body = <RunPage run={run} artifacts={artifacts} total={total} older={older} now={now} />
  return await page(c, {
    title: `Run ${number} · ${project.name}`,
    crumbs: crumbsTo(project, number),
    body,
  })
}

async function artifactPage(context: AppContext, c: AppRequest): Promise<Response> {
  const { principal, artifact } = await artifactOfPage(context, c)
  const now = context.now()
  assertLive(artifact, now)
  const directory = c.req.query('path') ?? ''
  const listing = await listDirectory(context.metadata, artifact.id, {
    directory,
    limit: limits.directoryPageEntries,
    from: c.req.query('from') ?? null,
  })
  if (listing === undefined) throw noSuchPath(artifact, directory)
  const view = {
    artifact,
    directory,
    listing,
    damagedFiles: artifact.state === 'damaged' ? await damagedPaths(context, artifact) : [],
    mayDelete: mayDeleteFromRun(principal, artifact),
    now,
  }
  return await page(c, {
    title: `${artifact.name} · Run ${artifact.runNumber} · ${artifact.project}`,
    crumbs: [
      ...crumbsTo({ name: artifact.project }, artifact.runNumber),
      {
        label: artifact.name,
        href: artifactPagePath(artifact.project, artifact.runNumber, artifact.id),
      },
    ],
    body: <ArtifactPage {...view} />,
  })
}

/** A session's POST has passed the check of its origin in `requirePrincipal`. */
async function deleteArtifact(context: AppContext, c: AppRequest): Promise<Response> {
  const { principal, artifact } = await artifactOfPage(context, c)
  const now = context.now()
  assertLive(artifact, now)
  requireDelete(principal, artifact)
  await removeArtifact(context, artifact)
  return c.redirect(runPagePath(artifact.project, artifact.runNumber), 303)
}

/** The artifact of the address, when project and run are its own. Errors: unauthenticated, artifact_not_found. */
async function artifactOfPage(context: AppContext, c: AppRequest): Promise<Access> {
  const access = await readableArtifact(context, c)
  const { project, runNumber, id } = access.artifact
  const isThere =
    isSameProject(project, projectParameter(c)) && String(runNumber) === c.req.param('run')
  if (!isThere) throw artifactNotFound(`id:${id} in this run`)
  return access
}

function crumbsTo(project: Pick<Project, 'name'>, run?: number): Crumb[] {
  const crumbs: Crumb[] = [{ label: project.name, href: projectPagePath(project.name) }]
  if (run !== undefined) crumbs.push({ label: `Run ${run}`, href: runPagePath(project.name, run) })
  return crumbs
}

function page(
  c: AppRequest,
  content: { title: string; crumbs: Crumb[]; body: Child },
  status: 200 | 400 | 403 | 404 | 410 | 422 | 500 | 503 = 200,
): Response | Promise<Response> {
  // Pages are private, and an artifact can end at any time.
  c.header('cache-control', 'no-store')
  return c.html(renderPage({ ...content, isSignedIn: c.get('principal') !== undefined }), status)
}

const shownStatuses = [400, 403, 404, 410, 422, 503] as const

async function problemPage(c: AppRequest, error: unknown): Promise<Response> {
  const failure = noteFailure(c, error)
  if (hasCode(error, 'unauthenticated')) {
    const next = c.req.method === 'GET' ? c.req.path : '/'
    return c.redirect(`/sign-in?next=${encodeURIComponent(next)}`, 302)
  }
  const code = failure === undefined ? 500 : problemStatus(failure.code)
  const status = shownStatuses.find((each) => each === code) ?? 500
  const problem = describeProblem(failure, status)
  const body = <ProblemPage problem={problem} requestId={c.get('requestId')} />
  return await page(c, { title: problem.title, crumbs: [], body }, status)
}
