/** Runs in GitHub's REST API ("REST API endpoints for workflow runs"), for what looks for a run before it asks for its artifacts:
 *  `dawidd6/action-download-artifact`. What the store was not told is null: how a run ended, unless it was recorded, and
 *  GitHub's number of it within its workflow. */
import type { Hono } from 'hono'
import { mayReadProject, mayReadRun } from '../auth/principal.ts'
import { storeError } from '../core/errors.ts'
import { formatProjectPath, isOfPullRequest, parsePositiveInteger } from '../core/run.ts'
import { requireBearer } from '../http/access/authenticate.ts'
import type { AppContext, AppEnv, AppRequest } from '../http/context.ts'
import { projectParameter } from '../http/input.ts'
import type { Project, Run, RunFilter, RunProgress } from '../metadata/metadata.ts'
import { pageRequestOf, repositoryUrl, setPageLinks } from './rest-links.ts'

/** As many as GitHub finds by a filter. */
const foundMax = 1000
/** Workflows that a route can mean, the most recently used ones. */
const workflowsMax = 100
/** Filters of GitHub's by what is not known of every run; passed over, they would find others than were meant. */
const unknownFilters = ['actor', 'check_suite_id', 'created', 'status']

export function addRunRoutes(app: Hono<AppEnv>, context: AppContext, repository: string): void {
  app.get(`${repository}/actions/runs`, async (c) => {
    const project = await findReadableProject(context, c)
    return await listAnswer(context, c, project, {})
  })

  /** `:workflow` is the name under which runs of it are known, or the last part of it where that is the path of its file. */
  app.get(`${repository}/actions/workflows/:workflow/runs`, async (c) => {
    const project = await findReadableProject(context, c)
    const asked = c.req.param('workflow')
    if (project !== undefined) {
      const filter = { workflow: asked }
      const [named] = await context.metadata.listRuns(project.id, { limit: 1, filter })
      if (named !== undefined) return await listAnswer(context, c, project, filter)
    }
    const known =
      project === undefined
        ? []
        : await context.metadata.listRunFacts(project.id, 'workflow', workflowsMax)
    const workflow = known.find((name) => name.endsWith(`/${asked}`))
    if (workflow === undefined) {
      const others = known.length === 0 ? '' : `; workflows are known as ${known.join(', ')}`
      throw notFound(`no run of a workflow ${JSON.stringify(asked)} is known${others}`)
    }
    return await listAnswer(context, c, project, { workflow })
  })

  app.get(`${repository}/actions/runs/:run`, async (c) => {
    const principal = await requireBearer(context, c)
    const place = {
      project: projectParameter(c),
      runNumber: parsePositiveInteger(c.req.param('run'), 'run_id'),
    }
    if (!mayReadRun(principal, place)) throw notFound()
    const project = await context.metadata.findProject(place.project)
    const run = project && (await context.metadata.findRun(project.id, place.runNumber))
    if (run === undefined) throw notFound(`nothing is known of run ${place.runNumber}`)
    const [object] = await runObjects(context, c, [run])
    return c.json(object)
  })

  /** A branch of which there is a run. The action takes what answers 404 for a commit. */
  app.get(`${repository}/branches/:branch`, async (c) => {
    const project = await findReadableProject(context, c)
    const name = c.req.param('branch')
    const filter = { branch: name }
    const [run] =
      project === undefined ? [] : await context.metadata.listRuns(project.id, { limit: 1, filter })
    if (run === undefined) throw notFound(`no run of branch ${JSON.stringify(name)} is known`)
    return c.json({ name, commit: { sha: run.sha } })
  })
}

/** Undefined while nothing was uploaded to it; it has no runs then. Errors: unauthenticated, not_found. */
async function findReadableProject(
  context: AppContext,
  c: AppRequest,
): Promise<Project | undefined> {
  const principal = await requireBearer(context, c)
  const name = projectParameter(c)
  if (!mayReadProject(principal, name)) throw notFound()
  return await context.metadata.findProject(name)
}

async function listAnswer(
  context: AppContext,
  c: AppRequest,
  project: Project | undefined,
  ofRoute: RunFilter,
): Promise<Response> {
  const { branch, event, head_sha: sha, ...others } = c.req.query()
  const unknown = unknownFilters.find((name) => others[name] !== undefined)
  if (unknown !== undefined) {
    throw storeError('invalid_request', `runs cannot be told apart by ${unknown} here`, {
      field: unknown,
    })
  }
  const filter = {
    ...ofRoute,
    ...(branch !== undefined && { branch }),
    ...(event !== undefined && { event }),
    ...(sha !== undefined && { sha }),
  }
  const found =
    project === undefined
      ? []
      : newestAttempts(await context.metadata.listRuns(project.id, { limit: foundMax, filter }))
  setPageLinks(context, c, found.length)
  const { page, perPage } = pageRequestOf(c)
  const shown = found.slice((page - 1) * perPage, page * perPage)
  const runs = await runObjects(context, c, shown)
  return c.json({ total_count: found.length, workflow_runs: runs })
}

/** One of each run, as to GitHub attempts are no runs of their own; newest first. */
function newestAttempts(runs: Run[]): Run[] {
  const newest = new Map<number, Run>()
  for (const run of runs) {
    const other = newest.get(run.number)
    if (other === undefined || run.attempt > other.attempt) newest.set(run.number, run)
  }
  return [...newest.values()]
}

async function runObjects(context: AppContext, c: AppRequest, runs: Run[]): Promise<object[]> {
  const recorded = await context.metadata.listRunProgress(runs.map(({ id }) => id))
  const progress = new Map(recorded.map((each) => [each.runId, each]))
  // As the caller spells it: the action compares it with what it has of the runner, to the letter.
  const asked = projectParameter(c)
  const names = {
    repository: repositoryUrl(context, c, asked),
    fullName: formatProjectPath(asked),
  }
  return runs.map((run) => runObject(names, run, progress.get(run.id)))
}

function runObject(
  { repository, fullName }: { repository: string; fullName: string },
  run: Run,
  progress: RunProgress | undefined,
): object {
  const url = `${repository}/actions/runs/${run.number}`
  const instant = (epochMs: number): string => new Date(epochMs).toISOString()
  return {
    id: run.number,
    name: run.workflow,
    // Workflows have no numbers here; GitHub's routes take the name of the file as well.
    workflow_id: run.workflow,
    head_branch: run.branch,
    head_sha: run.sha,
    event: run.event,
    run_number: null,
    run_attempt: run.attempt,
    ...stateOf(progress),
    url,
    artifacts_url: `${url}/artifacts`,
    created_at: instant(run.createdAt),
    updated_at: instant(progress?.updatedAt ?? run.createdAt),
    repository: { id: run.projectId, full_name: fullName },
    // A pull request can come from a fork, of which nothing is told. The action passes over what is not the repository's own.
    head_repository: { full_name: isOfPullRequest(run) ? null : fullName },
  }
}

/** `queued` is never known: what has not begun has told of nothing. */
function stateOf(progress: RunProgress | undefined): {
  status: string | null
  conclusion: string | null
} {
  if (progress === undefined) return { status: null, conclusion: null }
  const { conclusion } = progress
  return { status: conclusion === null ? 'in_progress' : 'completed', conclusion }
}

function notFound(reason?: string): Error {
  const message = reason === undefined ? 'Not Found' : `Not Found: ${reason}`
  return storeError('not_found', message, { what: 'run' })
}
