/** Finds what a route names, on behalf of its caller. What a caller may not read does not exist for it (404); what it
 *  may read but not change is forbidden (403); what it may read but is over is gone (410). */
import {
  mayAdminister,
  mayOversee,
  mayReadProject,
  mayReadRun,
  mayWriteProject,
  type Principal,
} from '../../auth/principal.ts'
import { artifactNotFound, assertLive, readArtifact } from '../../browse/find-artifact.ts'
import { storeError } from '../../core/errors.ts'
import { formatReference, type Reference } from '../../core/reference.ts'
import { isSameProject, type ProjectName, parseProjectName } from '../../core/run.ts'
import type { Artifact, Project, Run } from '../../metadata/metadata.ts'
import { requirePrincipal } from './authenticate.ts'
import type { AppContext, AppRequest } from '../context.ts'
import { numberParameter } from '../input.ts'

export interface Access {
  principal: Principal
  artifact: Artifact
}

/** The artifact of the route's `{id}`, tombstones included, when the caller may read it.
 *  Errors: unauthenticated, artifact_not_found. */
export async function readableArtifact(context: AppContext, c: AppRequest): Promise<Access> {
  const principal = await requirePrincipal(context, c)
  const reference = { kind: 'id', id: numberParameter(c, 'id') } as const
  const artifact = await readReference(context, principal, reference, null)
  return { principal, artifact }
}

/** The same, when it is live. Errors: also artifact_expired, artifact_deleted. */
export async function liveArtifact(context: AppContext, c: AppRequest): Promise<Access> {
  const access = await readableArtifact(context, c)
  assertLive(access.artifact, context.now())
  return access
}

/** The artifact that `reference` means, when `principal` may read it and it is live.
 *  Errors: artifact_not_found, invalid_request, artifact_expired, artifact_deleted. */
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

/** The same, tombstones included. */
async function readReference(
  context: AppContext,
  principal: Principal,
  reference: Reference,
  project: ProjectName | null,
): Promise<Artifact> {
  const named = project ?? principal.project
  const artifact = await readArtifact(context.metadata, reference, {
    project: named,
    now: context.now(),
  })
  if (!mayReadRun(principal, artifact)) throw artifactNotFound(formatReference(reference))
  return artifact
}

/** Errors: forbidden. */
export function requireReadProject(principal: Principal, project: ProjectName): void {
  if (!mayReadProject(principal, project)) throw forbidden('this token reads only its own run')
}

/** Errors: forbidden. */
export function requireWriteProject(principal: Principal, project: ProjectName): void {
  if (!mayWriteProject(principal, project)) throw forbidden('this needs a token of scope write')
}

/** Of all projects where `project` is null. Errors: forbidden, not_found (of others). */
export async function requireOversight(
  context: AppContext,
  principal: Principal,
  project: ProjectName | null,
): Promise<void> {
  if (mayOversee(principal, project)) return
  if (project !== null) await readProject(context, principal, project)
  throw forbidden('this needs a token of scope write, for all projects one of admin')
}

/** Errors: unauthenticated, forbidden. */
export async function requireAdmin(context: AppContext, c: AppRequest): Promise<Principal> {
  const principal = await requirePrincipal(context, c)
  if (mayAdminister(principal)) return principal
  throw forbidden('maintenance needs a token of scope admin')
}

export function forbidden(reason: string): Error {
  return storeError('forbidden', reason, { reason })
}

/** The project that a query names, or else the token's. Null only for administrators who named none.
 *  Errors: invalid_name. */
export function projectOf(principal: Principal, named: string | undefined): ProjectName | null {
  return named === undefined ? principal.project : parseProjectName(named)
}

/** The project of `projectOf`. Errors: invalid_name, not_found; invalid_request when there is none. */
export async function readProjectOf(
  context: AppContext,
  principal: Principal,
  named: string | undefined,
): Promise<Project> {
  const name = projectOf(principal, named)
  if (name === null)
    throw storeError('invalid_request', 'name a project: OWNER/REPO', { field: 'project' })
  return await readProject(context, principal, name)
}

/** The run of the route's `{run}`, its newest attempt unless one is named, when the caller may read it.
 *  Errors: invalid_request, not_found. */
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
  if (run === undefined) {
    const what = `run ${number} of ${project.name}`
    throw storeError('not_found', `there is no ${what}`, { what })
  }
  return run
}

/** Errors: not_found, alike for projects that are not there and projects of others. */
export async function readProject(
  context: AppContext,
  principal: Principal,
  name: ProjectName,
): Promise<Project> {
  const { project: own, run } = principal
  const isOwn = run !== null && own !== null && isSameProject(own, name)
  const isKnown = isOwn || mayReadProject(principal, name)
  const project = isKnown ? await context.metadata.findProject(name) : undefined
  if (project !== undefined) return project
  const reason = isKnown
    ? `nothing has been uploaded to ${name} yet: a project is there from its first upload on`
    : `there is no project ${name}`
  throw storeError('not_found', reason, { what: `project ${name}` })
}
