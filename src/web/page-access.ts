/** Look-ups that pages do on behalf of the visitor before they show anything: project, artifact,
 *  breadcrumbs. */
import { projectPagePath, runPagePath } from '../api/paths.ts'
import {
  isPublic,
  mayDelete,
  mayInspectProject,
  mayInspectRun,
  mayReadProject,
  mayWriteProject,
  type Principal,
} from '../auth/principal.ts'
import { assertLive } from '../browse/find-artifact.ts'
import { keepingReason } from '../core/policy/explanation.ts'
import { withoutEndSlashes } from '../core/manifest/entry.ts'
import { isSameProject, type ProjectName } from '../core/run/run.ts'
import { artifactNotFound, StoreError } from '../core/errors.ts'
import { damagedPaths } from '../egress/damage.ts'
import {
  type Access,
  requireAdmin,
  requireInspectProject,
  requireOversight,
  requireReadProject,
  readableArtifact,
  readProject,
} from '../http/access/access.ts'
import { requireReader } from '../http/access/authenticate.ts'
import { publicOrigin, type AppContext, type AppRequest } from '../http/context.ts'
import { projectParameter, restOfPath } from '../http/input.ts'
import { leaseOf } from '../http/body/reading.ts'
import { retentionOf } from '../http/artifact/retention.ts'
import { isStrictFor } from '../http/access/strict.ts'
import type { Artifact, Project } from '../metadata/metadata.ts'
import type { ArtifactHead } from './artifact/artifact-page.tsx'
import type { Crumb } from './layout.tsx'
import type { PageContent } from './page.tsx'
import { artifactPath, blobPath, treePath } from './paths.ts'

export interface PageProject {
  principal: Principal
  project: Project
  mayInspect: boolean
  mayWrite: boolean
}

/** Returns the project in the address, if the visitor may read all of it. Errors:
 *  unauthenticated, not_found, forbidden. */
export async function projectOfPage(context: AppContext, c: AppRequest): Promise<PageProject> {
  const principal = await requireReader(context, c)
  const project = await readProject(context, principal, projectParameter(c))
  const { name } = project
  requireReadProject(principal, name)
  const mayInspect = mayInspectProject(principal, name)
  return { principal, project, mayInspect, mayWrite: mayWriteProject(principal, name) }
}

/** The same for pages that are not for everyone in a public project. Errors: those of
 *  `projectOfPage`. */
export async function inspectedProjectOfPage(
  context: AppContext,
  c: AppRequest,
): Promise<PageProject> {
  const found = await projectOfPage(context, c)
  requireInspectProject(found.principal, found.project.name)
  return found
}

/** Returns the project in the address, or null for all projects, if the visitor may oversee it.
 *  Errors: those of `inspectedProjectOfPage`. */
export async function overseenPlace(
  context: AppContext,
  c: AppRequest,
): Promise<{ principal: Principal; project: ProjectName | null }> {
  if (c.req.param('owner') === undefined)
    return { principal: await requireAdmin(context, c), project: null }
  const { principal, project } = await inspectedProjectOfPage(context, c)
  await requireOversight(context, principal, project.name)
  return { principal, project: project.name }
}

/** Returns the artifact in the address, live or not. Project and run in the address must be its
 *  own. Errors: unauthenticated, artifact_not_found. */
export async function artifactOfPage(context: AppContext, c: AppRequest): Promise<Access> {
  const access = await readableArtifact(context, c)
  const { project, runNumber, id } = access.artifact
  const isOfRun =
    isSameProject(project, projectParameter(c)) && String(runNumber) === c.req.param('run')
  if (!isOfRun) throw artifactNotFound(`id:${id} in this run`)
  return access
}

/** As `artifactOfPage`, for live artifacts only. Errors: also artifact_expired and
 *  artifact_deleted. */
export async function liveArtifactOfPage(context: AppContext, c: AppRequest): Promise<Access> {
  const access = await artifactOfPage(context, c)
  assertLive(access.artifact, context.now())
  return access
}

/** Returns the live artifact in the address with what its page header shows.
 *  Errors: those of `liveArtifactOfPage`. */
export async function headOfPage(context: AppContext, c: AppRequest): Promise<ArtifactHead> {
  const { principal, artifact } = await liveArtifactOfPage(context, c)
  return {
    artifact,
    secrets: artifact.secrets === null ? null : await context.metadata.listSecrets(artifact.id),
    damagedFiles: artifact.state === 'damaged' ? await damagedPaths(context, artifact) : [],
    keptReason: keepingReason(artifact, (await retentionOf(context, artifact.project)).defaultMs),
    mayDelete: mayDelete(principal, artifact, await isStrictFor(context, principal)),
    mayInspect: mayInspectRun(principal, artifact),
    mayWrite: mayWriteProject(principal, artifact.project),
    isPublic: isPublic(principal, artifact.project),
    origin: publicOrigin(context, c),
    now: context.now(),
  }
}

/** Returns the path in the address after `/owner/repo/actions/runs/run/artifacts/id/WORD/`. */
export function entryPathOf(c: AppRequest): string {
  return withoutEndSlashes(restOfPath(c, 8))
}

/** Returns the address of the page of a file, or else of a directory, which reports an unknown
 *  path; '' is the root. */
export async function entryPagePath(
  { metadata }: AppContext,
  artifact: Artifact,
  path: string,
): Promise<string> {
  const found = path === '' ? undefined : await metadata.findEntry(artifact.id, path)
  const isFolder = found === undefined || found.entry.kind === 'directory'
  return isFolder ? treePath(artifact, path) : blobPath(artifact, path)
}

/** Whether the visitor may see artifacts of other runs. */
export function seesProject(c: AppRequest, { project }: Artifact): boolean {
  const principal = c.get('principal')
  return principal !== undefined && mayReadProject(principal, project)
}

/** Reads stored bytes for a page under a lease. Errors: artifact_expired, artifact_deleted,
 *  those of `read`. */
export async function readingForPage<Result>(
  context: AppContext,
  artifacts: Artifact[],
  read: () => Promise<Result>,
): Promise<Result> {
  const lease = await leaseOf(context, artifacts)
  try {
    return await read()
  } finally {
    await lease.end()
  }
}

export function crumbsOf({ project, run }: { project: string; run?: number }): Crumb[] {
  const crumbs: Crumb[] = [{ label: project, href: projectPagePath(project) }]
  if (run !== undefined) crumbs.push({ label: `Run ${run}`, href: runPagePath(project, run) })
  return crumbs
}

export function artifactCrumbs(artifact: Artifact): Crumb[] {
  const { project, runNumber, name } = artifact
  return [...crumbsOf({ project, run: runNumber }), { label: name, href: artifactPath(artifact) }]
}

/** Title and breadcrumbs of a page of a project, or with null of the whole store. */
export function headingOf(
  title: string,
  project: ProjectName | null,
): Required<Pick<PageContent, 'title' | 'crumbs'>> {
  if (project === null) return { title, crumbs: [] }
  return { title: `${title} · ${project}`, crumbs: crumbsOf({ project }) }
}

/** Breadcrumbs for an error page: whatever of its address exists and the visitor may read. */
export async function existingCrumbs({ metadata }: AppContext, c: AppRequest): Promise<Crumb[]> {
  const principal = c.get('principal')
  const name = namedProject(c)
  if (principal === undefined || name === undefined) return []
  const project = await metadata.findProject(name)
  if (project === undefined || !mayReadProject(principal, project.name)) return []
  const number = Number(c.req.param('run'))
  if (!Number.isSafeInteger(number) || !(await metadata.findRun(project.id, number)))
    return crumbsOf({ project: project.name })
  const id = Number(c.req.param('id'))
  const artifact = Number.isSafeInteger(id) ? await metadata.findArtifact(id) : undefined
  const isOfRun = artifact?.projectId === project.id && artifact.runNumber === number
  return isOfRun ? artifactCrumbs(artifact) : crumbsOf({ project: project.name, run: number })
}

function namedProject(c: AppRequest): ProjectName | undefined {
  try {
    return projectParameter(c)
  } catch (error) {
    if (error instanceof StoreError) return undefined
    throw error
  }
}
