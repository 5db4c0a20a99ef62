/** What pages look up before they show anything, on behalf of the visitor. */
import { projectPagePath, runPagePath } from '../api/paths.ts'
import { isSameProject, mayDelete, mayWriteProject, type Principal } from '../auth/principal.ts'
import { artifactNotFound, assertLive } from '../browse/find-artifact.ts'
import { latestBranch } from '../core/keep-latest.ts'
import { damagedPaths } from '../egress/damage.ts'
import {
  type Access,
  requireReadProject,
  readableArtifact,
  readProject,
} from '../http/access/access.ts'
import { requirePrincipal } from '../http/access/authenticate.ts'
import { publicOrigin, type AppContext, type AppRequest } from '../http/context.ts'
import { projectParameter } from '../http/input.ts'
import { leaseOf } from '../http/body/reading.ts'
import { isStrictFor } from '../http/access/strict.ts'
import type { Artifact, ArtifactFilter, Project } from '../metadata/metadata.ts'
import type { ArtifactHead } from './artifact/artifact-page.tsx'
import type { Crumb } from './layout.tsx'
import { artifactPath } from './paths.ts'

/** The project of the address, when the visitor may see all of it. Errors: unauthenticated, not_found, forbidden. */
export async function projectOfPage(
  context: AppContext,
  c: AppRequest,
): Promise<{ principal: Principal; project: Project; mayWrite: boolean }> {
  const principal = await requirePrincipal(context, c)
  const project = await readProject(context, principal, projectParameter(c))
  requireReadProject(principal, project.name)
  return { principal, project, mayWrite: mayWriteProject(principal, project.name) }
}

/** The artifact of the address, dead or alive, when project and run are its own.
 *  Errors: unauthenticated, artifact_not_found. */
export async function artifactOfPage(context: AppContext, c: AppRequest): Promise<Access> {
  const access = await readableArtifact(context, c)
  const { project, runNumber, id } = access.artifact
  const isThere =
    isSameProject(project, projectParameter(c)) && String(runNumber) === c.req.param('run')
  if (!isThere) throw artifactNotFound(`id:${id} in this run`)
  return access
}

/** The same, alive, with what its head shows. Errors: also artifact_expired, artifact_deleted. */
export async function headOfPage(context: AppContext, c: AppRequest): Promise<ArtifactHead> {
  const { principal, artifact } = await artifactOfPage(context, c)
  const now = context.now()
  assertLive(artifact, now)
  return {
    artifact,
    damagedFiles: artifact.state === 'damaged' ? await damagedPaths(context, artifact) : [],
    mayDelete: mayDelete(principal, artifact, await isStrictFor(context, principal)),
    mayWrite: mayWriteProject(principal, artifact.project),
    origin: publicOrigin(context, c),
    now,
  }
}

/** Reads stored bytes for a page under a lease. Errors: artifact_expired, artifact_deleted, those of `read`. */
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

/** What has the name of an artifact on its branch, if it has one. What a fork calls by the same branch is none of it, but can
 *  be seen beside it. */
export function sameNameAs(artifact: Artifact): ArtifactFilter {
  const { projectId, name, branch } = artifact
  const latestOf = latestBranch(artifact)
  return {
    projectId,
    name,
    ...(latestOf === null ? { branch: branch ?? undefined } : { latestOf }),
  }
}

/** The newest artifact of the same name before this one, on its branch if it has one. Live at `now`. */
export async function previousOf(
  { metadata }: Pick<AppContext, 'metadata'>,
  artifact: Artifact,
  now: number,
): Promise<Artifact | undefined> {
  const filter: ArtifactFilter = { ...sameNameAs(artifact), beforeId: artifact.id }
  const page = { limit: 10, offset: 0, sort: 'newest', now } as const
  const artifacts = await metadata.findArtifacts(filter, page)
  return artifacts.find(({ runId }) => runId !== artifact.runId)
}

export function crumbsOf(place: { project: string; run?: number; artifact?: Artifact }): Crumb[] {
  const { project, run, artifact } = place
  const number = run ?? artifact?.runNumber
  const crumbs: Crumb[] = [{ label: project, href: projectPagePath(project) }]
  if (number !== undefined)
    crumbs.push({ label: `Run ${number}`, href: runPagePath(project, number) })
  if (artifact !== undefined) crumbs.push({ label: artifact.name, href: artifactPath(artifact) })
  return crumbs
}
