/** ListArtifacts, GetSignedArtifactURL and DeleteArtifact. They cover all jobs and attempts of a
 *  run. */
import { mayReadRun, type Principal } from '../../auth/principal.ts'
import { artifactNotFound, forbidden } from '../../core/errors.ts'
import { isLive } from '../../core/policy/retention.ts'
import { isSameProject } from '../../core/run/run.ts'
import { authorOf } from '../../http/access/actor.ts'
import { removeArtifacts } from '../../http/artifact/deletion.ts'
import type { AppContext } from '../../http/context.ts'
import { requireDelete } from '../../http/access/strict.ts'
import { walkArtifacts } from '../../http/artifact/walk-artifacts.ts'
import type { Artifact, ArtifactFilter } from '../../metadata/metadata.ts'
import { runPlaceOf, type RunPlace } from './job-place.ts'
import type { ListRequest, NameRequest } from './messages.ts'
import { parseHandle } from '../stock-view.ts'

/** Returns the live artifacts of the token's run, from every job and attempt, newest attempt
 *  first. Errors: forbidden. */
export async function listRunArtifacts(
  context: AppContext,
  principal: Principal,
  request: ListRequest,
): Promise<Artifact[]> {
  const place = readablePlace(principal, request)
  const artifacts = await readRunArtifacts(context, place, {
    name: request.nameFilter ?? undefined,
    ...(request.idFilter !== null && { ids: [request.idFilter] }),
  })
  return artifacts.sort((a, b) => b.attempt - a.attempt || b.id - a.id)
}

/** Returns the artifact that a Get or Delete means: by the handle of an earlier list, else the
 *  newest of that name. Errors: forbidden, artifact_not_found. */
export async function readNamedArtifact(
  context: AppContext,
  principal: Principal,
  request: NameRequest,
): Promise<Artifact> {
  const place = readablePlace(principal, request)
  const handle = parseHandle(request.job)
  const ofName = { ...request, nameFilter: request.name, idFilter: null }
  const found =
    handle === undefined
      ? (await listRunArtifacts(context, principal, ofName))[0]
      : await context.metadata.findArtifact(handle)
  const matches =
    found !== undefined &&
    found.name === request.name &&
    found.runNumber === place.runNumber &&
    isSameProject(found.project, place.project) &&
    isLive(found, context.now())
  if (!matches) {
    const missing = `run ${place.runNumber} has no artifact called ${JSON.stringify(request.name)}`
    throw artifactNotFound(`${place.runNumber}/${request.name}`, missing)
  }
  return found
}

/** Errors: forbidden. */
export async function deleteArtifact(
  context: AppContext,
  principal: Principal,
  artifact: Artifact,
): Promise<void> {
  await requireDelete(context, principal, [artifact])
  await removeArtifacts(context, [artifact], authorOf(context, principal, 'github'))
}

/** Returns all matching artifacts of a run, unordered. A run has at most
 *  `limits.artifactsPerRunMax` live ones. */
export async function readRunArtifacts(
  context: AppContext,
  place: Pick<RunPlace, 'project' | 'runNumber'>,
  filter: ArtifactFilter,
): Promise<Artifact[]> {
  const project = await context.metadata.findProject(place.project)
  if (project === undefined) return []
  const found: Artifact[] = []
  const ofRun = { ...filter, projectId: project.id, run: place.runNumber }
  for await (const artifact of walkArtifacts(context, ofRun)) found.push(artifact)
  return found
}

function readablePlace(principal: Principal, ids: { run: string; job: string }): RunPlace {
  const place = runPlaceOf(principal, ids)
  if (!mayReadRun(principal, place))
    throw forbidden(`a token of scope ${principal.scope} may not read this run`)
  return place
}
