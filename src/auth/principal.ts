/** Who is asking, and what they may do. Every permission decision is one of the pure predicates
 *  below. */
import { isSameProject, type ProjectName, type RunFacts } from '../core/run.ts'

/** `job`: writes to its own run under its own job, reads its project. `run`: the same, but reads
 *  only its own run. `read`, `write`: a person's access to one project. `admin`: everything in
 *  every project. */
export type Scope = 'job' | 'run' | 'read' | 'write' | 'admin'

export const scopes: readonly Scope[] = ['job', 'run', 'read', 'write', 'admin']

/** The bearer of a token: the grant a token is minted for, and the result of verifying one. */
export interface Principal {
  scope: Scope
  /** Null only for `admin` tokens that are not bound to a project. */
  project: ProjectName | null
  /** Run number and attempt; null when the token is not bound to a run. */
  run: { number: number; attempt: number } | null
  job: string | null
  facts: RunFacts
  /** Epoch ms; 0 when the token does not state it. A token minted by a project's token inherits
   *  its issue time, so that revoking all of a project's tokens also covers tokens being minted
   *  at that moment. */
  issuedAt: number
  /** Epoch ms. */
  expiresAt: number
  /** Ids of the token and of its ancestors (the tokens that minted it), its own first. Empty in
   *  a grant about to be minted with the server's key. Revoking a token revokes its descendants. */
  lineage: readonly string[]
}

/** The run that something belongs to. */
export interface RunPlace {
  project: ProjectName
  runNumber: number
}

/** May see that the project exists, list its runs and artifacts, and read the artifacts. */
export function mayReadProject(principal: Principal, project: ProjectName): boolean {
  return principal.scope !== 'run' && holdsProject(principal, project)
}

export function mayReadRun(principal: Principal, place: RunPlace): boolean {
  return mayReadProject(principal, place.project) || isOwnRun(principal, place)
}

/** May create artifacts in this attempt of the run. A job writes only to its own attempt. */
export function mayWriteRun(principal: Principal, place: RunPlace & { attempt: number }): boolean {
  if (isJob(principal)) {
    return isOwnRun(principal, place) && principal.run?.attempt === place.attempt
  }
  return mayWriteProject(principal, place.project)
}

/** May delete the artifact. A job may do so in its whole run, earlier attempts included, because
 *  merging and overwriting need it, but not to an artifact that a person keeps. In a `strict`
 *  project, a job may do so only to artifacts it made itself. */
export function mayDelete(
  principal: Principal,
  artifact: RunPlace & { job: string; pinned: boolean },
  strict: boolean,
): boolean {
  if (!isJob(principal)) return mayWriteProject(principal, artifact.project)
  if (artifact.pinned || (strict && principal.job !== artifact.job)) return false
  return isOwnRun(principal, artifact)
}

/** May delete the run, or the records of its jobs. */
export function mayDeleteRun(principal: Principal, place: RunPlace, strict: boolean): boolean {
  if (!isJob(principal)) return mayWriteProject(principal, place.project)
  return isOwnRun(principal, place) && !strict
}

/** May keep, expire and restore artifacts of the project. */
export function mayWriteProject(principal: Principal, project: ProjectName): boolean {
  const { scope } = principal
  return (scope === 'write' || scope === 'admin') && holdsProject(principal, project)
}

/** May mint such a token. A writer of a project may pass on its rights in that project for no
 *  longer than its own token lasts, so CI can keep one secret and give each job its own token. */
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

/** May read the audit log and list tokens: of one project, or (null) of all projects and the
 *  store itself. */
export function mayOversee(principal: Principal, project: ProjectName | null): boolean {
  return project === null ? mayAdminister(principal) : mayWriteProject(principal, project)
}

/** May run maintenance. */
export function mayAdminister(principal: Principal): boolean {
  return principal.scope === 'admin'
}

/** Whether the token was made for a running workflow, not for a person. */
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
