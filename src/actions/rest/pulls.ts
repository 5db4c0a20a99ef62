/** Pull requests in GitHub's REST API, as far as their runs tell: clients ask for the head of one
 *  to find its runs. */
import type { Hono } from 'hono'
import { headShaOf } from '../../core/run/run.ts'
import type { AppContext, AppEnv } from '../../http/context.ts'
import { numberParameter, projectParameter } from '../../http/input.ts'
import type { Metadata, Run } from '../../metadata/metadata.ts'
import { findReadableProject, notFound } from './access.ts'
import { repositoryUrl } from './links.ts'

/** Newest runs of a pull request that are examined. */
const runsMax = 100

export function addPullRoutes(app: Hono<AppEnv>, context: AppContext, repository: string): void {
  app.get(`${repository}/pulls/:pull`, async (c) => {
    const project = await findReadableProject(context, c)
    const number = numberParameter(c, 'pull', 'pull_number')
    const run = project && (await findNewestRun(context.metadata, project.id, number))
    if (run === undefined)
      throw notFound('pull request', `no run of pull request ${number} is known`)
    return c.json(pullObject(repositoryUrl(context, c, projectParameter(c)), run))
  })
}

/** The run that began last has the newest head. It need not be the one that was heard of last: runs
 *  take different times, and a repeated one builds its old commit. */
async function findNewestRun(
  metadata: Metadata,
  projectId: number,
  pullRequest: number,
): Promise<Run | undefined> {
  const runs = await metadata.listRuns(projectId, { limit: runsMax, filter: { pullRequest } })
  return runs
    .filter((run) => headShaOf(run) !== null)
    .reduce<Run | undefined>((a, b) => (a !== undefined && a.number >= b.number ? a : b), undefined)
}

/** What the pull request was when the run began. */
export function pullObject(repository: string, run: Run): object {
  const { pullRequest: number, branch: ref } = run
  return { number, url: `${repository}/pulls/${number}`, head: { ref, sha: headShaOf(run) } }
}
