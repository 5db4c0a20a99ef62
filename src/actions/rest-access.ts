/** Looks up the object of a REST route if its caller may read it. Objects of others are reported
 *  as not found, as at GitHub. */
import { mayReadProject, mayReadRun } from '../auth/principal.ts'
import { storeError } from '../core/errors.ts'
import { parsePositiveInteger } from '../core/run.ts'
import { requireBearer } from '../http/access/authenticate.ts'
import type { AppContext, AppRequest } from '../http/context.ts'
import { projectParameter } from '../http/input.ts'
import type { Project, Run } from '../metadata/metadata.ts'

/** Returns undefined while the project has no uploads; GitHub's clients expect the repository to
 *  exist then too. Errors: unauthenticated, not_found. */
export async function findReadableProject(
  context: AppContext,
  c: AppRequest,
): Promise<Project | undefined> {
  const principal = await requireBearer(context, c)
  const name = projectParameter(c)
  if (!mayReadProject(principal, name)) throw notFound('project')
  return await context.metadata.findProject(name)
}

/** Returns the run of the route: the attempt that the route names, else the newest. Errors:
 *  unauthenticated, not_found. */
export async function readRun(context: AppContext, c: AppRequest): Promise<Run> {
  const principal = await requireBearer(context, c)
  const name = projectParameter(c)
  const number = parsePositiveInteger(c.req.param('run') ?? '', 'run_id')
  const named = c.req.param('attempt')
  const attempt = named === undefined ? undefined : parsePositiveInteger(named, 'attempt_number')
  if (!mayReadRun(principal, { project: name, runNumber: number })) throw notFound('run')
  const project = await context.metadata.findProject(name)
  const run = project && (await context.metadata.findRun(project.id, number, attempt))
  if (run !== undefined) return run
  const what = attempt === undefined ? `run ${number}` : `attempt ${attempt} of run ${number}`
  throw notFound('run', `there is no ${what}`)
}

/** GitHub's wording, both for missing objects and for those of others. */
export function notFound(what: string, reason?: string): Error {
  const message = reason === undefined ? 'Not Found' : `Not Found: ${reason}`
  return storeError('not_found', message, { what })
}
