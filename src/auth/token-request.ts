/** Turns the options of `trove token` or the fields of `POST /tokens` into a grant, with the
 *  defaults of both. */
import { invalidRequest } from '../core/errors.ts'
import type { ProjectAccess } from '../core/access/project-access.ts'
import { parseProjectGlobs } from '../core/access/project-globs.ts'
import { factsOf, type ProjectName, parseProjectName, type ToldFacts } from '../core/run/run.ts'
import { emptyGrant, type Principal, type Scope } from './principal.ts'

export interface TokenRequest extends ToldFacts {
  project?: string | undefined
  /** Globs separated by blanks, in place of `project`. */
  projects?: string | undefined
  run?: number | undefined
  attempt?: number | undefined
  job?: string | undefined
  scope?: Scope | undefined
  expiresInSeconds?: number | undefined
}

/** The longest that a job may run on GitHub. */
export const tokenLifeSeconds: number = 6 * 60 * 60

/** The default scope is `job` if a run and a job are given, else `read`.
 *  Errors: invalid_name, invalid_request. */
export function grantOf(request: TokenRequest, now: number): Principal {
  const project: ProjectName | null =
    request.project === undefined ? null : parseProjectName(request.project)
  const isOfJob = request.run !== undefined && request.job !== undefined
  return {
    ...emptyGrant,
    scope: request.scope ?? (isOfJob ? 'job' : 'read'),
    project,
    access: accessOf(request),
    run: request.run === undefined ? null : { number: request.run, attempt: request.attempt ?? 1 },
    job: request.job ?? null,
    facts: factsOf(request),
    issuedAt: now,
    expiresAt: now + (request.expiresInSeconds ?? tokenLifeSeconds) * 1000,
  }
}

function accessOf({ projects, project, run, scope = 'read' }: TokenRequest): ProjectAccess[] {
  if (projects === undefined) return []
  if (project !== undefined || run !== undefined || (scope !== 'read' && scope !== 'write')) {
    const reason = 'a token for several projects has scope read or write, and no run'
    throw invalidRequest('projects', reason)
  }
  const globs = parseProjectGlobs(projects)
  if (globs.length > 0) return globs.map((glob) => ({ scope, projects: glob }))
  throw invalidRequest('projects', '`projects` must name at least one')
}
