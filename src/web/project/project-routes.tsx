/** The page of all projects, and the page of one project with its runs. */
import { projectPagePath } from '../../api/paths.ts'
import { limits } from '../../core/limits.ts'
import { parsePositiveInteger } from '../../core/run/run.ts'
import { dayMs } from '../../core/units.ts'
import { readableProjects } from '../../http/access/access.ts'
import { requireReader } from '../../http/access/authenticate.ts'
import { publicOrigin, type AppContext, type AppRequest } from '../../http/context.ts'
import { cutPage } from '../../http/input.ts'
import { inOrder, isNamedLike } from '../../http/operation/project-list.ts'
import type {
  DayOfUploads,
  Run,
  RunFact,
  RunFilter,
  SizedProject,
} from '../../metadata/metadata.ts'
import { FirstRunPage, HomePage, type ListedProject, projectSorts } from './home-page.tsx'
import { numberOfQuery } from '../input.ts'
import { crumbsOf, projectOfPage } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { withQuery } from '../paths.ts'
import { findHighlights } from './highlights.tsx'
import {
  chosenOf,
  type ListedRun,
  outcomes,
  ProjectPage,
  type RunChoices,
} from './project-page.tsx'

const factChoicesMax = 100
const projectsPerPage = 50
const uploadDays = 30
const arrivingRunsMax = 20

export async function homePage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const principal = await requireReader(context, c)
  const readable = await readableProjects(context, principal)
  if (readable.length === 0) {
    const body = <FirstRunPage origin={publicOrigin(context, c)} />
    return await sendPage(web, c, { title: 'Projects', body })
  }
  const now = context.now()
  const name = c.req.query('name') ?? ''
  const projects = readable.filter(isNamedLike(name))
  const pageCount = Math.ceil(projects.length / projectsPerPage)
  const pageNumber = Math.min(numberOfQuery(c, 'page') ?? 1, Math.max(1, pageCount))
  const first = (pageNumber - 1) * projectsPerPage
  const sort = projectSorts.find((each) => each === c.req.query('sort')) ?? ''
  const shown = inOrder(projects, sort === '' ? 'name' : sort).slice(first, first + projectsPerPage)
  const view = {
    projects: await Promise.all(shown.map((each) => listedProject(context, each, now))),
    sort,
    name,
    pageNumber,
    pageCount,
    now,
  }
  return await sendPage(web, c, { title: 'Projects', body: <HomePage {...view} /> })
}

async function listedProject(
  { metadata }: AppContext,
  project: SizedProject,
  now: number,
): Promise<ListedProject> {
  const [[lastRun], days] = await Promise.all([
    metadata.listRuns(project.id, { limit: 1 }),
    metadata.listUploadDays(project.id, now - uploadDays * dayMs),
  ])
  return {
    project,
    lastRun,
    days: uploadsByDay(days, now),
  }
}

/** Logical bytes uploaded on each of the last days, oldest first. Artifacts dropped from the
 *  history (limits.historyMs) are not counted. */
function uploadsByDay(days: readonly DayOfUploads[], now: number): number[] {
  const first = Math.floor(now / dayMs) - uploadDays + 1
  const uploaded = Array<number>(uploadDays).fill(0)
  for (const { day, logicalBytes } of days)
    if (uploaded[day - first] !== undefined) uploaded[day - first] = logicalBytes
  return uploaded
}

export async function projectPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const page = await projectOfPage(context, c)
  const { project, mayInspect, mayWrite } = page
  const limit = limits.listPageDefault
  const before = numberOfQuery(c, 'before')
  const choices = await runChoices(context, project.id, c)
  const chosen = chosenOf(choices)
  const now = context.now()
  const found = await context.metadata.listRuns(project.id, {
    limit: limit + 1,
    filter: filterOf(choices, now),
    before,
  })
  const { items, last } = cutPage(found, limit)
  const isTop = before === undefined && Object.keys(chosen).length === 0
  const runs = await listedRuns(context, items)
  const isEmpty =
    isTop &&
    runs.every(({ sums }) => sums.artifacts === 0) &&
    (await context.metadata.projectFigures(project.id)).artifacts === 0
  const hasHighlights = isTop && !isEmpty && items.length > 0
  const view = {
    project,
    runs,
    arrivingRuns: isTop ? arrivingRuns(context, project.id) : [],
    choices,
    highlights: hasHighlights
      ? await findHighlights(context, page, choices.branch.values)
      : undefined,
    isEmpty,
    historyDays: context.config.historyMs / dayMs,
    mayInspect,
    mayWrite,
    older:
      last === undefined
        ? null
        : withQuery(projectPagePath(project.name), { ...chosen, before: String(last.id) }),
    now,
  }
  const crumbs = crumbsOf({ project: project.name })
  return await sendPage(web, c, { title: project.name, crumbs, body: <ProjectPage {...view} /> })
}

/** Those whose uploads began last, the newest run first. */
function arrivingRuns({ arrivals }: AppContext, projectId: number): number[] {
  const runs = [...new Set(arrivals.list(projectId).map(({ run }) => run))]
  return runs.slice(-arrivingRunsMax).toSorted((a, b) => b - a)
}

/** Errors: invalid_request. */
function filterOf(
  { pullRequest, outcome, artifacts, trust, ...facts }: RunChoices,
  now: number,
): RunFilter {
  const filter: RunFilter = {}
  for (const [fact, { chosen }] of Object.entries(facts) as [RunFact, { chosen: string }][])
    if (chosen !== '') filter[fact] = chosen
  if (pullRequest !== '') filter.pullRequest = parsePositiveInteger(pullRequest, 'pull-request')
  const state = outcomes.get(outcome)
  if (state !== undefined) filter.state = { is: state, now }
  if (artifacts !== '') filter.withArtifactsAt = now
  if (trust !== '') filter.isOfPullRequest = trust === 'pull-request'
  return filter
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
  const [branch, workflow, event, actor] = await Promise.all([
    choice('branch'),
    choice('workflow'),
    choice('event'),
    choice('actor'),
  ])
  const asked = (name: string, values: readonly string[]): string =>
    values.find((each) => each === c.req.query(name)) ?? ''
  return {
    branch,
    workflow,
    event,
    actor,
    pullRequest: c.req.query('pull-request') ?? '',
    outcome: asked('outcome', [...outcomes.keys()]),
    artifacts: asked('artifacts', ['1']),
    trust: asked('trust', ['pull-request', 'other']),
  }
}

async function listedRuns({ metadata, now }: AppContext, runs: Run[]): Promise<ListedRun[]> {
  const ids = runs.map(({ id }) => id)
  const [sums, progress] = await Promise.all([
    metadata.sumRuns(ids, now()),
    metadata.listRunProgress(ids, now()),
  ])
  const sumsOf = new Map(sums.map((each) => [each.runId, each]))
  const progressOf = new Map(progress.map((each) => [each.runId, each]))
  const none = { artifacts: 0, logicalBytes: 0, newBytes: 0 }
  return runs.map((run) => ({
    run,
    sums: sumsOf.get(run.id) ?? none,
    progress: progressOf.get(run.id),
  }))
}
