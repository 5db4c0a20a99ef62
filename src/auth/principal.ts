/** Who is asking, and what they may do. Pure: every decision about permission is one of the predicates below. */
import { isSameProject, type ProjectName, type RunFacts } from '../core/run.ts'

/** `job`: writes its own run under its own job, reads its project. `run`: the same, but reads only its own run.
 *  `read` and `write`: a person's access to one project. `admin`: everything in every project. */
export type Scope = 'job' | 'run' | 'read' | 'write' | 'admin'

export const scopes: readonly Scope[] = ['job', 'run', 'read', 'write', 'admin']

/** The bearer of a token: what it is minted for, and what a verified one says. */
export interface Principal {
  scope: Scope
  /** Null only for `admin` tokens that are not bound to a project. */
  project: ProjectName | null
  /** Run number and attempt; null when the token is not of a run. */
  run: { number: number; attempt: number } | null
  job: string | null
  facts: RunFacts
  /** Epoch ms; 0 when the token does not say. What a project's token mints is as old as that, so that what is under way
   *  while all of them are revoked is revoked too. */
  issuedAt: number
  /** Epoch ms. */
  expiresAt: number
  /** Ids of the token and of those that it was minted by, its own first: none yet in what is to be minted by the server's
   *  key. Who revokes a token revokes what came of it. */
  lineage: readonly string[]
}

/** Where something belongs. */
export interface RunPlace {
  project: ProjectName
  runNumber: number
}

/** May see that the project exists, list its runs and artifacts, and read them. */
export function mayReadProject(principal: Principal, project: ProjectName): boolean {
  return principal.scope !== 'run' && holdsProject(principal, project)
}

export function mayReadRun(principal: Principal, place: RunPlace): boolean {
  return mayReadProject(principal, place.project) || isOwnRun(principal, place)
}

/** May create artifacts in this attempt of the run. A job writes only to the attempt it belongs to. */
export function mayWriteRun(principal: Principal, place: RunPlace & { attempt: number }): boolean {
  if (isJob(principal)) {
    return isOwnRun(principal, place) && principal.run?.attempt === place.attempt
  }
  return mayWriteProject(principal, place.project)
}

/** May delete or replace the artifact. Merging and overwriting need the whole run, earlier attempts too; where the project
 *  is `strict`, a job has only what it made itself. */
export function mayDelete(
  principal: Principal,
  artifact: RunPlace & { job: string },
  strict: boolean,
): boolean {
  if (!isJob(principal)) return mayWriteProject(principal, artifact.project)
  return isOwnRun(principal, artifact) && (!strict || principal.job === artifact.job)
}

/** May delete the run, or what is recorded of its jobs. */
export function mayDeleteRun(principal: Principal, place: RunPlace, strict: boolean): boolean {
  if (!isJob(principal)) return mayWriteProject(principal, place.project)
  return isOwnRun(principal, place) && !strict
}

/** May keep, expire and undo: what people do to a project's artifacts. */
export function mayWriteProject(principal: Principal, project: ProjectName): boolean {
  const { scope } = principal
  return (scope === 'write' || scope === 'admin') && holdsProject(principal, project)
}

/** May mint a token of that kind. Who may write a project hands on what they have of it, and for no longer, so that CI can
 *  keep one secret and give each job a token of its own. */
export function mayMint(
  principal: Principal,
  grant: Pick<Principal, 'scope' | 'project' | 'expiresAt'>,
): boolean {
  if (mayAdminister(principal)) return true
  return (
    grant.scope !== 'admin' &&
    grant.project !== null &&
    mayWriteProject(principal, grant.project) &&
    grant.expiresAt <= principal.expiresAt
  )
}

/** May see who did what and which tokens there are: in one project, or in all and of the store. */
export function mayOversee(principal: Principal, project: ProjectName | null): boolean {
  return project === null ? mayAdminister(principal) : mayWriteProject(principal, project)
}

/** May run maintenance. */
export function mayAdminister(principal: Principal): boolean {
  return principal.scope === 'admin'
}

/** Of a run, for as long as that goes on: held by a workflow and not by a person. */
export function isJob(principal: Principal): boolean {
  return principal.scope === 'job' || principal.scope === 'run'
}

function holdsProject(principal: Principal, project: ProjectName): boolean {
  if (principal.scope === 'admin') return true
  return principal.project !== null && isSameProject(principal.project, project)
}

function isOwnRun(principal: Principal, place: RunPlace): boolean {
  return holdsProject(principal, place.project) && principal.run?.number === place.runNumber
}
