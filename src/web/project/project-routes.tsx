/** Pages of the store as a whole, of projects and of runs. */
import { Hono } from 'hono'
import { projectPagePath, runPagePath } from '../../api/paths.ts'
import {
  mayAdminister,
  mayDelete,
  mayReadProject,
  mayReadRun,
  mayWriteProject,
  type Principal,
} from '../../auth/principal.ts'
import { readShownLogs } from '../../browse/run-log.ts'
import { storeError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { isLive } from '../../core/retention.ts'
import { parsePositiveInteger } from '../../core/run.ts'
import { dayMs } from '../../core/units.ts'
import { readProject } from '../../http/access.ts'
import { requirePrincipal } from '../../http/authenticate.ts'
import { publicOrigin, type AppContext, type AppEnv, type AppRequest } from '../../http/context.ts'
import { numberParameter, projectParameter } from '../../http/input.ts'
import { isStrictFor } from '../../http/strict.ts'
import type { Artifact, Project, Run, RunFact, RunFilter } from '../../metadata/metadata.ts'
import { DeletedNotice } from '../artifact/delete-page.tsx'
import { HomePage, type ListedProject } from './home-page.tsx'
import { pageOfQuery } from '../input.ts'
import { crumbsOf, previousOf, projectOfPage } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { withQuery } from '../paths.ts'
import { type ListedRun, ProjectPage, type RunChoices } from './project-page.tsx'
import { fittingLogs } from '../run/run-jobs.tsx'
import { RunPage, type RunView } from '../run/run-page.tsx'
import { isRestorable } from '../parts/sentences.ts'
import { UploadPage } from '../run/upload-page.tsx'
import { uploadsByDay } from './uploads-by-day.ts'

const factChoicesMax = 100
const projectsPerPage = 50
const artifactsPerPage = 50
/** Artifacts of a run that are compared with the run before, and looked into for reports. */
const comparedMax = 20
const reportNames = [
  'index.html',
  'playwright-report/index.html',
  'coverage/index.html',
  'lcov.info',
]

export function createProjectPages(web: Web): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get('/', async (c) => await homePage(web, c))
  app.get('/:owner/:repo', async (c) => await projectPage(web, c))
  app.get('/:owner/:repo/actions/runs/:run{[0-9]+}', async (c) => await runPage(web, c))
  app.get('/:owner/:repo/upload', async (c) => await uploadPage(web, c))
  return app
}

async function homePage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const principal = await requirePrincipal(context, c)
  const projects = await readableProjects(context, principal)
  const now = context.now()
  const pageCount = Math.ceil(projects.length / projectsPerPage)
  const pageNumber = Math.min(pageOfQuery(c), Math.max(1, pageCount))
  const first = (pageNumber - 1) * projectsPerPage
  const shown = projects.slice(first, first + projectsPerPage)
  const view = {
    projects: await Promise.all(shown.map((project) => listedProject(context, project, now))),
    pageNumber,
    pageCount,
    origin: publicOrigin(context, c),
    now,
  }
  return await sendPage(web, c, { title: 'Projects', body: <HomePage {...view} /> })
}

async function listedProject(
  { metadata }: AppContext,
  project: Project,
  now: number,
): Promise<ListedProject> {
  const length = 30
  const [figures, [lastRun], days] = await Promise.all([
    metadata.projectFigures(project.id),
    metadata.listRuns(project.id, { limit: 1 }),
    metadata.listUploadDays(project.id, now - length * dayMs),
  ])
  return {
    project,
    artifacts: figures.artifacts,
    logicalBytes: figures.logicalBytes,
    uniqueBytes: figures.chunkBytes,
    lastRun,
    days: uploadsByDay(days, { now, length }),
  }
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

async function projectPage(web: Web, c: AppRequest): Promise<Response> {
  const { metadata, now } = web.context
  const { project, mayWrite } = await projectOfPage(web.context, c)
  const limit = limits.listPageDefault
  const before = c.req.query('before')
  const choices = await runChoices(web.context, project.id, c)
  const filter: RunFilter = {}
  for (const [fact, { chosen }] of Object.entries(choices) as [RunFact, { chosen: string }][])
    if (chosen !== '') filter[fact] = chosen
  // One more tells whether there are older ones.
  const found = await metadata.listRuns(project.id, {
    limit: limit + 1,
    filter,
    ...(before !== undefined && { before: parsePositiveInteger(before, 'before') }),
  })
  const shown = found.slice(0, limit)
  const last = shown.at(-1)
  const view = {
    project,
    runs: await listedRuns(web.context, shown),
    choices,
    mayWrite,
    older:
      found.length > limit && last !== undefined
        ? withQuery(projectPagePath(project.name), { ...filter, before: String(last.id) })
        : null,
    now: now(),
  }
  const crumbs = crumbsOf({ project: project.name })
  return await sendPage(web, c, { title: project.name, crumbs, body: <ProjectPage {...view} /> })
}

async function runChoices(
  { metadata }: AppContext,
  projectId: number,
  c: AppRequest,
): Promise<RunChoices> {
  const choice = async (fact: RunFact): Promise<RunChoices[RunFact]> => ({
    chosen: c.req.query(fact) ?? '',
    values: await metadata.listRunFacts(projectId, fact, factChoicesMax),
  })
  const [branch, workflow, event] = await Promise.all([
    choice('branch'),
    choice('workflow'),
    choice('event'),
  ])
  return { branch, workflow, event }
}

async function listedRuns({ metadata, now }: AppContext, runs: Run[]): Promise<ListedRun[]> {
  const found = await metadata.sumRuns(
    runs.map(({ id }) => id),
    now(),
  )
  const byRun = new Map(found.map((sums) => [sums.runId, sums]))
  const none = { artifacts: 0, logicalBytes: 0, newBytes: 0 }
  return runs.map((run) => ({ run, sums: byRun.get(run.id) ?? none }))
}

async function runPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const principal = await requirePrincipal(context, c)
  const project = await readProject(context, principal, projectParameter(c))
  const number = numberParameter(c, 'run')
  const place = { project: project.name, runNumber: number }
  const run = mayReadRun(principal, place)
    ? await context.metadata.findRun(project.id, number)
    : undefined
  if (run === undefined) {
    const what = `run ${number} of ${project.name}`
    throw storeError('not_found', `there is no ${what}`, { what })
  }
  const now = context.now()
  const limit = artifactsPerPage
  const at = pageOfQuery(c)
  const { artifacts, total } = await context.metadata.listArtifacts(
    { projectId: project.id, run: number, state: 'any' },
    { limit, offset: (at - 1) * limit, sort: 'newest', now },
  )
  if (artifacts.length === 0 && total > 0) {
    const last = { page: String(Math.ceil(total / limit)) }
    return c.redirect(withQuery(runPagePath(project.name, number), last), 302)
  }
  const record = await context.metadata.findRunRecord(run.id)
  const strict = await isStrictFor(context, principal)
  const view: RunView = {
    run,
    record,
    logs: await fittingLogs(await readShownLogs(context.metadata, record?.jobs ?? [])),
    artifacts,
    total,
    arrivals: context.arrivals.list(project.id, number),
    ...(await lookInto(context, principal, artifacts, now)),
    mayDelete: (artifact) => mayDelete(principal, artifact, strict),
    mayWrite: mayWriteProject(principal, project.name),
    older:
      at * limit < total
        ? withQuery(runPagePath(project.name, number), { page: String(at + 1) })
        : null,
    now,
  }
  const deleted = await deletedArtifact(context, c, { projectId: project.id, run: number })
  const mayUndo = mayWriteProject(principal, project.name)
  return await sendPage(web, c, {
    title: `Run ${number} · ${project.name}`,
    crumbs: crumbsOf({ project: project.name, run: number }),
    body: (
      <>
        {deleted !== undefined && mayUndo && <DeletedNotice artifact={deleted} />}
        <RunPage {...view} />
      </>
    ),
  })
}

/** What the run page says of live artifacts beside their rows. */
async function lookInto(
  context: AppContext,
  principal: Principal,
  artifacts: Artifact[],
  now: number,
): Promise<Pick<RunView, 'previous' | 'reports'>> {
  const previous = new Map<number, Artifact>()
  const reports: RunView['reports'] = []
  for (const artifact of artifacts.filter((each) => isLive(each, now)).slice(0, comparedMax)) {
    const before = mayReadProject(principal, artifact.project)
      ? await previousOf(context, artifact, now)
      : undefined
    if (before !== undefined) previous.set(artifact.id, before)
    for (const path of reportNames) {
      const found = await context.metadata.findEntry(artifact.id, path)
      if (found?.entry.kind !== 'file') continue
      reports.push({ artifact, path })
      break
    }
  }
  return { previous, reports }
}

/** The artifact that was just deleted, while that can be taken back. */
async function deletedArtifact(
  { metadata, config, now }: AppContext,
  c: AppRequest,
  { projectId, run }: { projectId: number; run: number },
): Promise<Artifact | undefined> {
  const id = c.req.query('deleted')
  if (id === undefined || !/^\d{1,15}$/.test(id)) return undefined
  const artifact = await metadata.findArtifact(Number(id))
  const isOurs = artifact?.projectId === projectId && artifact.runNumber === run
  return isOurs && isRestorable(artifact, { undoMs: config.undoMs, now: now() })
    ? artifact
    : undefined
}

async function uploadPage(web: Web, c: AppRequest): Promise<Response> {
  const { project, mayWrite } = await projectOfPage(web.context, c)
  if (!mayWrite) {
    const reason = 'uploading needs a token of scope write'
    throw storeError('forbidden', reason, { reason })
  }
  const [last] = await web.context.metadata.listRuns(project.id, { limit: 1 })
  return await sendPage(web, c, {
    title: `Upload · ${project.name}`,
    crumbs: crumbsOf({ project: project.name }),
    scripts: ['upload-page'],
    body: (
      <UploadPage
        project={project.name}
        run={(last?.number ?? 0) + 1}
        hashWorker={web.assets.pathOf('hash-worker')}
      />
    ),
  })
}
