/** Finds what a route names and checks that its caller may use it. What the caller may not read
 *  does not exist for it (404), what it may not change is forbidden (403), and an artifact that
 *  has ended is gone (410). */
import {
  holdsProject,
  isAnonymous,
  mayAdminister,
  mayInspectAll,
  mayInspectProject,
  mayInspectRun,
  mayOversee,
  mayReadAll,
  mayReadProject,
  mayReadRun,
  mayWriteProject,
  type Principal,
} from '../../auth/principal.ts'
import { assertLive, projectOfReference, readArtifact } from '../../browse/find-artifact.ts'
import {
  artifactNotFound,
  forbidden,
  hasCode,
  invalidRequest,
  notFound,
  projectNotFound,
  tooLarge,
} from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { formatReference, type Reference } from '../../core/reference.ts'
import { type ProjectName, parseProjectName } from '../../core/run/run.ts'
import type { Artifact, Project, Run, SizedProject } from '../../metadata/metadata.ts'
import { credentialMissing, denied, requirePrincipal, requireReader } from './authenticate.ts'
import type { AppContext, AppRequest } from '../context.ts'
import { numberParameter } from '../input.ts'
import { seenBy } from './seen-by.ts'

export interface Access {
  principal: Principal
  artifact: Artifact
}

/** Returns the artifact of the route's `{id}` if the caller may read it, tombstones included.
 *  Errors: unauthenticated, artifact_not_found. */
export async function readableArtifact(context: AppContext, c: AppRequest): Promise<Access> {
  const principal = await requireReader(context, c)
  const reference = { kind: 'id', id: numberParameter(c, 'id') } as const
  const artifact = await readReference(context, principal, reference, null)
  return { principal, artifact }
}

/** As `readableArtifact`, for live artifacts only. Errors: also artifact_expired,
 *  artifact_deleted. */
export async function liveArtifact(context: AppContext, c: AppRequest): Promise<Access> {
  const access = await readableArtifact(context, c)
  assertLive(access.artifact, context.now())
  return access
}

/** As `liveArtifact`, for what is not for everyone in a public project. Errors: also forbidden. */
export async function inspectedArtifact(context: AppContext, c: AppRequest): Promise<Access> {
  const access = await liveArtifact(context, c)
  if (mayInspectRun(access.principal, access.artifact)) return access
  throw denied(access.principal, notInspected())
}

/** Returns the artifact that `reference` means if `principal` may read it and it is live.
 *  Errors: artifact_not_found, invalid_request, artifact_expired, artifact_deleted,
 *  unauthenticated. */
export async function readLive(
  context: AppContext,
  principal: Principal,
  reference: Reference,
  project: ProjectName | null,
): Promise<Artifact> {
  const artifact = await readReference(context, principal, reference, project)
  assertLive(artifact, context.now())
  return artifact
}

/** As `readLive`, tombstones included. */
async function readReference(
  context: AppContext,
  principal: Principal,
  reference: Reference,
  project: ProjectName | null,
): Promise<Artifact> {
  const named = project ?? principal.project
  const place = { project: named, now: context.now() }
  try {
    const artifact = await readArtifact(context.metadata, reference, place)
    if (mayReadRun(principal, artifact)) return seenBy(principal, artifact)
  } catch (error) {
    if (!hasCode(error, 'artifact_not_found')) throw error
  }
  const missing = artifactNotFound(formatReference(reference))
  const owner = projectOfReference(reference, named)
  // Whoever may read the project may know that it has no such artifact.
  throw owner !== null && mayReadProject(principal, owner) ? missing : denied(principal, missing)
}

/** Errors: forbidden. */
export function requireReadProject(principal: Principal, project: ProjectName): void {
  if (!mayReadProject(principal, project)) throw forbidden('this token can read only its own run')
}

/** Errors: forbidden, unauthenticated. */
export function requireInspectProject(principal: Principal, project: ProjectName): void {
  if (mayInspectProject(principal, project)) return
  requireReadProject(principal, project)
  throw denied(principal, notInspected())
}

/** Errors: forbidden (the token is neither for this project nor for one of its runs). */
export function requireOfProject(principal: Principal, project: ProjectName): void {
  if (!holdsProject(principal, project)) throw denied(principal, notInspected())
}

function notInspected(): Error {
  return forbidden(
    'everyone may read this project, but this requires a token that may read all of it',
  )
}

/** Errors: forbidden. */
export function requireWriteProject(principal: Principal, project: ProjectName): void {
  if (!mayWriteProject(principal, project))
    throw forbidden(`this requires a token of scope write for ${project}`)
}

/** A null `project` means all projects. Errors: forbidden; not_found (another's project). */
export async function requireOversight(
  context: AppContext,
  principal: Principal,
  project: ProjectName | null,
): Promise<void> {
  if (mayOversee(principal, project)) return
  if (project !== null) await readProject(context, principal, project)
  throw forbidden('this requires a token of scope write, or of scope admin for all projects')
}

/** Errors: unauthenticated, forbidden. */
export async function requireAdmin(context: AppContext, c: AppRequest): Promise<Principal> {
  const principal = await requirePrincipal(context, c)
  if (mayAdminister(principal)) return principal
  throw forbidden('maintenance requires a token of scope admin')
}

/** Returns the project named in a query, or else the token's; null when there is none. Errors:
 *  invalid_name. */
export function namedProject(principal: Principal, named: string | undefined): ProjectName | null {
  return named === undefined ? principal.project : parseProjectName(named)
}

/** As `namedProject`. Null, which means all projects, only for administrators. Errors: also
 *  invalid_request (the token is for several projects, and none is named). */
export function projectOf(principal: Principal, named: string | undefined): ProjectName | null {
  const project = namedProject(principal, named)
  if (project === null && !mayAdminister(principal)) throw noProject()
  return project
}

function noProject(): Error {
  const reason = 'this is about one project, and the token is not: name one as OWNER/REPO'
  return invalidRequest('project', reason)
}

export const readPowers = {
  read: { one: mayReadProject, all: mayReadAll },
  inspect: { one: mayInspectProject, all: mayInspectAll },
}

/** Returns the ids of the projects that a query is about: `project` of `namedProject`, else all
 *  that the caller may read or inspect; null means every project. Errors: not_found,
 *  unauthenticated, too_large. */
export async function projectIdsOf(
  context: AppContext,
  principal: Principal,
  { project, to }: { project: ProjectName | null; to: keyof typeof readPowers },
): Promise<number[] | null> {
  if (project !== null) return [(await readProject(context, principal, project)).id]
  const may = readPowers[to]
  if (may.all(principal)) return null
  const max = limits.projectsAtOnceMax
  const ids: number[] = []
  for await (const { id, name } of walkReadableProjects(context, principal)) {
    if (may.one(principal, name)) ids.push(id)
    if (ids.length <= max) continue
    throw tooLarge('projects at once', max, `the token is for more than ${max} projects: name one`)
  }
  return ids
}

/** As `walkReadableProjects`, all at once. */
export async function readableProjects(
  context: AppContext,
  principal: Principal,
): Promise<SizedProject[]> {
  const projects: SizedProject[] = []
  for await (const project of walkReadableProjects(context, principal)) projects.push(project)
  return projects
}

/** Yields the projects that the caller may read, by name; those of one run's token included.
 *  `after`: begins after the project with this id. Errors: unauthenticated (there are none for
 *  everyone). */
export async function* walkReadableProjects(
  { metadata }: AppContext,
  principal: Principal,
  after = 0,
): AsyncGenerator<SizedProject, void, undefined> {
  const limit = limits.projectsPerStep
  let isAny = after > 0
  for (let last = after; ;) {
    const page = await metadata.listProjects({ after: last, limit })
    for (const project of page) {
      if (!maySeeProject(principal, project.name)) continue
      isAny = true
      yield project
    }
    if (page.length < limit) break
    last = page.at(-1)!.id
  }
  if (!isAny && isAnonymous(principal)) throw credentialMissing()
}

/** Whether the caller may know that the project exists. */
function maySeeProject(principal: Principal, project: ProjectName): boolean {
  return holdsProject(principal, project) || mayReadProject(principal, project)
}

/** The project of `projectOf`. Errors: invalid_name, not_found; invalid_request when there is
 *  none. */
export async function readProjectOf(
  context: AppContext,
  principal: Principal,
  named: string | undefined,
): Promise<Project> {
  const name = projectOf(principal, named)
  if (name === null) throw noProject()
  return await readProject(context, principal, name)
}

/** Returns the run of the route's `{run}` if the caller may read it: the wanted attempt, else
 *  the newest. Errors: invalid_request, not_found. */
export async function readableRun(
  context: AppContext,
  c: AppRequest,
  principal: Principal,
  wanted: { project?: string | undefined; attempt?: number | undefined },
): Promise<Run> {
  const number = numberParameter(c, 'run')
  const project = await readProjectOf(context, principal, wanted.project)
  const mayRead = mayReadRun(principal, { project: project.name, runNumber: number })
  const run = mayRead
    ? await context.metadata.findRun(project.id, number, wanted.attempt)
    : undefined
  if (run === undefined) throw notFound(`run ${number} of ${project.name}`)
  return run
}

/** Errors: not_found, for a missing project and for one that the caller may not read alike;
 *  unauthenticated. */
export async function readProject(
  context: AppContext,
  principal: Principal,
  name: ProjectName,
): Promise<Project> {
  const project = await findProject(context, principal, name)
  if (project !== undefined) return project
  const reason = `nothing has been uploaded to ${name} yet: a project exists from its first upload on`
  throw notFound(`project ${name}`, reason)
}

/** Returns undefined for a project without uploads. Errors: not_found (the caller may not read it),
 *  or without a credential unauthenticated. */
export async function findProject(
  { metadata }: AppContext,
  principal: Principal,
  name: ProjectName,
): Promise<Project | undefined> {
  if (maySeeProject(principal, name)) return await metadata.findProject(name)
  throw denied(principal, projectNotFound(name))
}
