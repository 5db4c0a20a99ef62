/** Who is asking, and what they may do. Every permission decision is one of the pure predicates
 *  below. */
import type { ProjectAccess } from '../core/access/project-access.ts'
import { compileProjectGlobs } from '../core/access/project-globs.ts'
import type { Signer } from './signed-urls.ts'
import { isSameProject, noFacts, type ProjectName, type RunFacts } from '../core/run/run.ts'

/** `job`: writes to its own run under its own job, reads its project. `run`: the same, but reads
 *  only its own run. `read`, `write`: a person's access to one project. `admin`: everything in
 *  every project. */
export type Scope = 'job' | 'run' | 'read' | 'write' | 'admin'

export const scopes: readonly Scope[] = ['job', 'run', 'read', 'write', 'admin']

export function strongestOf(access: readonly ProjectAccess[]): ProjectAccess['scope'] {
  return access.some(({ scope }) => scope === 'write') ? 'write' : 'read'
}

/** Whom the identity provider named. */
export interface Person {
  /** Stays the same when the name changes, and is never another's. */
  id: string
  name: string
}

/** The bearer of a token: the grant a token is minted for, and the result of verifying one. */
export interface Principal {
  scope: Scope
  /** Null for `admin` tokens that are not bound to a project, and for those with `access`. */
  project: ProjectName | null
  /** Empty unless a token of scope `read` or `write` is for several projects. Its scope is then the
   *  strongest of these. */
  access: readonly ProjectAccess[]
  /** Run number and attempt; null when the token is not bound to a run. */
  run: { number: number; attempt: number } | null
  job: string | null
  /** Whose it is: for a session of single sign-on and what descends from it. People's access is
   *  not in their tokens (people.ts). */
  person: Person | null
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
  /** What everyone may read (TROVE_PUBLIC_PROJECTS). Not part of a token: it is set when a request
   *  is authenticated. */
  publicAccess?: readonly ProjectAccess[]
}

/** What a grant holds unless it says otherwise. */
export const emptyGrant = {
  project: null,
  access: [],
  run: null,
  job: null,
  person: null,
  facts: noFacts,
  lineage: [],
} as const

/** Makes the sender of a request without a credential: it reads what everyone may read, and holds
 *  no project of its own. */
export function anonymousPrincipal(publicAccess: readonly ProjectAccess[]): Principal {
  return { ...emptyGrant, scope: 'read', issuedAt: 0, expiresAt: Infinity, publicAccess }
}

/** Whether the request had no credential. Every token holds something (tokens.ts). */
export function isAnonymous({ scope, project, access }: Principal): boolean {
  return scope !== 'admin' && project === null && access.length === 0
}

/** The signer of URLs that this caller gets for something of the project; null without a
 *  credential. */
export function signerOf(principal: Principal, of: ProjectName): Signer | null {
  if (isAnonymous(principal)) return null
  const { scope, project, lineage, issuedAt, person } = principal
  // An administrator's token may name a project but does not belong to it.
  const isOfProject = scope !== 'admin' && project !== null && isSameProject(project, of)
  return { lineage, issuedAt: isOfProject ? issuedAt : null, person: person?.id ?? null }
}

/** The run that something belongs to. */
export interface RunPlace {
  project: ProjectName
  runNumber: number
}

/** May see that the project exists, list its runs and artifacts, and read the artifacts. */
export function mayReadProject(principal: Principal, project: ProjectName): boolean {
  return mayInspectProject(principal, project) || isPublic(principal, project)
}

/** May read every project, also those that do not exist yet. */
export function mayReadAll(principal: Principal): boolean {
  return mayInspectAll(principal) || isEverything(principal.publicAccess ?? [])
}

export function mayReadRun(principal: Principal, place: RunPlace): boolean {
  return mayReadProject(principal, place.project) || isOwnRun(principal, place)
}

/** May also see what is not for everyone in a public project: its settings, its storage, and the
 *  credentials found in its artifacts. Uploads to the project may use its contents without sending
 *  them (invariant 10). Only the token's own grant counts. */
export function mayInspectProject(principal: Principal, project: ProjectName): boolean {
  return principal.scope !== 'run' && holdsProject(principal, project)
}

/** The same for every project. */
export function mayInspectAll(principal: Principal): boolean {
  return mayAdminister(principal) || isEverything(principal.access)
}

function isEverything(access: readonly ProjectAccess[]): boolean {
  return access.some(({ projects }) => projects === '**')
}

/** The same for the artifacts of one run. */
export function mayInspectRun(principal: Principal, place: RunPlace): boolean {
  return mayInspectProject(principal, place.project) || isOwnRun(principal, place)
}

/** Whether everyone may read the project, without a credential. */
export function isPublic({ publicAccess = [] }: Principal, project: ProjectName): boolean {
  return matcherOf(publicAccess).read(project)
}

/** May create artifacts in this attempt of the run. A job writes only to its own attempt. */
export function mayWriteRun(principal: Principal, place: RunPlace & { attempt: number }): boolean {
  if (isJob(principal)) {
    return isOwnRun(principal, place) && principal.run?.attempt === place.attempt
  }
  return mayWriteProject(principal, place.project)
}

/** May send data for an upload to this project that is in progress. */
export function maySendTo(principal: Principal, project: ProjectName): boolean {
  return isJob(principal) ? holdsProject(principal, project) : mayWriteProject(principal, project)
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
  return (scope === 'write' || scope === 'admin') && holdsProject(principal, project, 'write')
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

/** Whether the token is for this project, possibly among others, or for one of its runs. `access`:
 *  the least that counts where it says what it may do in each. */
export function holdsProject(
  principal: Principal,
  project: ProjectName,
  access: ProjectAccess['scope'] = 'read',
): boolean {
  if (principal.scope === 'admin') return true
  if (principal.project !== null) return isSameProject(principal.project, project)
  return matcherOf(principal.access)[access](project)
}

type AccessMatcher = Record<ProjectAccess['scope'], (project: string) => boolean>

/** Compiled once per list, since pages check many projects. */
const matchers = new WeakMap<readonly ProjectAccess[], AccessMatcher>()

function matcherOf(access: readonly ProjectAccess[]): AccessMatcher {
  const known = matchers.get(access)
  if (known !== undefined) return known
  const globsOf = (list: readonly ProjectAccess[]): string[] => list.map((each) => each.projects)
  const matcher = {
    read: compileProjectGlobs(globsOf(access)),
    write: compileProjectGlobs(globsOf(access.filter(({ scope }) => scope === 'write'))),
  }
  matchers.set(access, matcher)
  return matcher
}

function isOwnRun(principal: Principal, place: RunPlace): boolean {
  return holdsProject(principal, place.project) && principal.run?.number === place.runNumber
}
