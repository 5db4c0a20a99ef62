/** Looks up the object of a REST route if its caller may read it. Objects of others are reported
 *  as not found, as at GitHub. */
import { mayReadProject, mayReadRun, type Principal } from '../../auth/principal.ts'
import { storeError } from '../../core/errors.ts'
import type { ProjectName } from '../../core/run/run.ts'
import { denied, requireBearerReader } from '../../http/access/authenticate.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import { numberParameter, projectParameter } from '../../http/input.ts'
import type { Project, Run } from '../../metadata/metadata.ts'

/** Returns undefined while the project has no uploads; GitHub's clients expect the repository to
 *  exist then too. Errors: unauthenticated, not_found. */
export async function findReadableProject(
  context: AppContext,
  c: AppRequest,
): Promise<Project | undefined> {
  const principal = await requireBearerReader(context, c)
  const name = projectParameter(c)
  if (!mayReadProject(principal, name)) throw missingFor(principal, name, 'project')
  return await context.metadata.findProject(name)
}

/** Returns the run of the route: the attempt that the route names, else the newest. Errors:
 *  unauthenticated, not_found. */
export async function readRun(context: AppContext, c: AppRequest): Promise<Run> {
  const principal = await requireBearerReader(context, c)
  const name = projectParameter(c)
  const number = numberParameter(c, 'run', 'run_id')
  const isOfAttempt = c.req.param('attempt') !== undefined
  const attempt = isOfAttempt ? numberParameter(c, 'attempt', 'attempt_number') : undefined
  if (!mayReadRun(principal, { project: name, runNumber: number }))
    throw missingFor(principal, name, 'run')
  const project = await context.metadata.findProject(name)
  const run = project && (await context.metadata.findRun(project.id, number, attempt))
  if (run !== undefined) return run
  const what = attempt === undefined ? `run ${number}` : `attempt ${attempt} of run ${number}`
  throw notFound('run', `there is no ${what}`)
}

/** The error for something of the project that does not exist or may not be read. */
export function missingFor(principal: Principal, project: ProjectName, what: string): Error {
  const missing = notFound(what)
  return mayReadProject(principal, project) ? missing : denied(principal, missing)
}

/** GitHub's wording, both for missing objects and for those of others. */
export function notFound(what: string, reason?: string): Error {
  const message = reason === undefined ? 'Not Found' : `Not Found: ${reason}`
  return storeError('not_found', message, { what })
}
