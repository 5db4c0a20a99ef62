/** Turns the options of `trove token` or the fields of `POST /tokens` into a grant, with the
 *  defaults of both. */
import { type ProjectName, parseProjectName } from '../core/run.ts'
import type { Principal, Scope } from './principal.ts'

export interface TokenRequest {
  project?: string | undefined
  run?: number | undefined
  attempt?: number | undefined
  job?: string | undefined
  branch?: string | undefined
  sha?: string | undefined
  workflow?: string | undefined
  event?: string | undefined
  scope?: Scope | undefined
  expiresInSeconds?: number | undefined
}

/** The longest that a job may run on GitHub. */
export const tokenLifeSeconds: number = 6 * 60 * 60

/** The default scope is `job` if a run and a job are given, else `read`. Errors: invalid_name. */
export function grantOf(request: TokenRequest, now: number): Principal {
  const project: ProjectName | null =
    request.project === undefined ? null : parseProjectName(request.project)
  const isOfJob = request.run !== undefined && request.job !== undefined
  return {
    scope: request.scope ?? (isOfJob ? 'job' : 'read'),
    project,
    run: request.run === undefined ? null : { number: request.run, attempt: request.attempt ?? 1 },
    job: request.job ?? null,
    facts: {
      branch: factOrNull(request.branch),
      sha: factOrNull(request.sha),
      workflow: factOrNull(request.workflow),
      event: factOrNull(request.event),
    },
    issuedAt: now,
    expiresAt: now + (request.expiresInSeconds ?? tokenLifeSeconds) * 1000,
    lineage: [],
  }
}

/** Treats an empty value as absent: scripts pass on variables that are empty. */
export function factOrNull(fact: string | undefined): string | null {
  return fact === undefined || fact === '' ? null : fact
}
