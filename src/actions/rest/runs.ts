/** Runs in GitHub's REST API ("REST API endpoints for workflow runs"), for clients that look for
 *  a run before they ask for its artifacts: `dawidd6/action-download-artifact`, `gh run`.
 *  Unknown facts are null. */
import type { Hono } from 'hono'
import { runPagePath } from '../../api/paths.ts'
import {
  branchOfTag,
  formatProjectPath,
  headBranchOf,
  headShaOf,
  isOfPullRequest,
} from '../../core/run/run.ts'
import { sendJson } from '../../http/body/gzip.ts'
import { publicOrigin, type AppContext, type AppEnv, type AppRequest } from '../../http/context.ts'
import { instant } from './instant.ts'
import { projectParameter } from '../../http/input.ts'
import type { Project, Run, RunFilter, RunProgress } from '../../metadata/metadata.ts'
import { findReadableProject, notFound, readRun } from './access.ts'
import { repositoryUrl, takePage } from './links.ts'
import { pullObject } from './pulls.ts'
import { progressFields } from './progress.ts'
import { runFilterOf } from './run-filter.ts'
import { workflowFields } from './workflow-fields.ts'

/** As many as GitHub returns with a filter. */
const foundMax = 1000

export function addRunRoutes(app: Hono<AppEnv>, context: AppContext, repository: string): void {
  app.get(`${repository}/actions/runs`, async (c) => {
    const project = await findReadableProject(context, c)
    return await runListResponse(context, c, project, {})
  })

  for (const route of ['runs/:run', 'runs/:run/attempts/:attempt']) {
    app.get(`${repository}/actions/${route}`, async (c) => {
      const [object] = await runObjects(context, c, [await readRun(context, c)])
      return c.json(object)
    })
  }

  /** A branch that has a run. On a 404 the action takes the name for a commit instead. */
  app.get(`${repository}/branches/:branch`, async (c) => {
    const project = await findReadableProject(context, c)
    const name = c.req.param('branch')
    const filter = { branch: name }
    const [run] =
      project === undefined ? [] : await context.metadata.listRuns(project.id, { limit: 1, filter })
    if (run === undefined)
      throw notFound('branch', `no run of branch ${JSON.stringify(name)} is known`)
    return c.json({ name, commit: { sha: headShaOf(run) } })
  })
}

/** Lists the runs of the route that match the query. GitHub does not list attempts as runs of
 *  their own. */
export async function runListResponse(
  context: AppContext,
  c: AppRequest,
  project: Project | undefined,
  ofRoute: RunFilter,
): Promise<Response> {
  const asked = runFilterOf(c, context.now())
  const filter: RunFilter = { ...asked, ...ofRoute, newestAttempts: true }
  const found =
    project === undefined || asked === undefined ? [] : await findRuns(context, project, filter)
  const runs = await runObjects(context, c, takePage(context, c, found))
  return await sendJson(c, { total_count: found.length, workflow_runs: runs })
}

/** A branch may be a tag, if there is no run of such a branch. */
async function findRuns(
  { metadata }: AppContext,
  { id }: Project,
  filter: RunFilter,
): Promise<Run[]> {
  const found = await metadata.listRuns(id, { limit: foundMax, filter })
  const { branch } = filter
  if (found.length > 0 || branch === undefined) return found
  const ofTag = { ...filter, branch: branchOfTag(branch) }
  return await metadata.listRuns(id, { limit: foundMax, filter: ofTag })
}

async function runObjects(context: AppContext, c: AppRequest, runs: Run[]): Promise<object[]> {
  const ids = runs.map(({ id }) => id)
  const recorded = await context.metadata.listRunProgress(ids, context.now())
  const progress = new Map(recorded.map((each) => [each.runId, each]))
  // In the caller's spelling: the action compares it, case-sensitively, with the repository that
  // the runner gave it.
  const asked = projectParameter(c)
  const names = {
    repository: repositoryUrl(context, c, asked),
    fullName: formatProjectPath(asked),
    origin: publicOrigin(context, c),
    excludesPulls: c.req.query('exclude_pull_requests') === 'true',
  }
  return runs.map((run) => runObject(names, run, progress.get(run.id)))
}

function runObject(
  names: { repository: string; fullName: string; origin: string; excludesPulls: boolean },
  run: Run,
  progress: RunProgress | undefined,
): object {
  const { repository, fullName } = names
  const url = `${repository}/actions/runs/${run.number}`
  const { status, conclusion, started_at: runStartedAt } = progressFields(progress)
  return {
    id: run.number,
    name: run.workflow,
    ...workflowFields(run.workflow),
    head_branch: headBranchOf(run),
    head_sha: headShaOf(run),
    event: run.event,
    actor: run.actor === null ? null : { login: run.actor },
    triggering_actor: run.actor === null ? null : { login: run.actor },
    pull_requests:
      run.pullRequest === null || names.excludesPulls ? [] : [pullObject(repository, run)],
    run_number: run.ordinal,
    run_attempt: run.attempt,
    status,
    conclusion,
    url,
    html_url: names.origin + runPagePath(run.project, run.number),
    jobs_url: `${url}/jobs`,
    artifacts_url: `${url}/artifacts`,
    created_at: instant(run.createdAt),
    updated_at: instant(progress?.updatedAt ?? run.createdAt),
    run_started_at: runStartedAt,
    repository: { id: run.projectId, full_name: fullName },
    // A pull request may come from a fork whose name is unknown. The action skips runs whose head
    // is not the repository itself.
    head_repository: { full_name: isOfPullRequest(run) ? null : fullName },
  }
}
