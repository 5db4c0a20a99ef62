/** Resolves references to artifacts, and reports artifacts that have ended. */
import { endReason, lifetime } from '../core/policy/explanation.ts'
import { formatActor } from '../core/audit.ts'
import { artifactNotFound, invalidRequest, storeError } from '../core/errors.ts'
import { formatReference, latestPlaces, type Reference } from '../core/reference.ts'
import { effectiveState } from '../core/policy/retention.ts'
import type { ProjectName } from '../core/run/run.ts'
import type { Artifact, ArtifactFilter, Metadata } from '../metadata/metadata.ts'

export type ArtifactFinder = Pick<Metadata, 'findArtifact' | 'findProject' | 'findNewest'>

/** Returns the artifact that `reference` means. Falls back to an expired or deleted one when no
 *  live one has the name, so that the caller can report what became of it. `project` completes
 *  references that name none. Does not check who may read it. Errors: artifact_not_found;
 *  invalid_request when a project is needed and missing. */
export async function readArtifact(
  finder: ArtifactFinder,
  reference: Reference,
  { project, now }: { project: ProjectName | null; now: number },
): Promise<Artifact> {
  const found =
    reference.kind === 'id'
      ? await finder.findArtifact(reference.id)
      : await findNamed(finder, reference, { project, now })
  if (found === undefined) throw artifactNotFound(formatReference(reference))
  return found
}

/** Returns the reference by which commands name a live artifact: run and name, or the id when
 *  run and name mean a newer one, made by a later attempt. */
export async function referenceTo(
  finder: Pick<ArtifactFinder, 'findNewest'>,
  { id, projectId, project, runNumber: run, name }: Artifact,
  now: number,
): Promise<Reference> {
  const newest = await finder.findNewest({ projectId, run, name }, now)
  return newest?.id === id ? { kind: 'run', project, run, name } : { kind: 'id', id }
}

/** Returns the project that a reference is about, `project` unless it names one; null for an id,
 *  and when there is none. */
export function projectOfReference(
  reference: Reference,
  project: ProjectName | null,
): ProjectName | null {
  if (reference.kind === 'id') return null
  return reference.kind === 'run' ? (reference.project ?? project) : project
}

async function findNamed(
  finder: ArtifactFinder,
  reference: Exclude<Reference, { kind: 'id' }>,
  { project, now }: { project: ProjectName | null; now: number },
): Promise<Artifact | undefined> {
  const named = projectOfReference(reference, project)
  if (named === null) {
    throw invalidRequest(
      'project',
      `${formatReference(reference)} does not name a project: add one as OWNER/REPO`,
    )
  }
  const owner = await finder.findProject(named)
  if (owner === undefined) return undefined
  const filter: ArtifactFilter = { projectId: owner.id, name: reference.name }
  if (reference.kind === 'run')
    return await newestOrDead(finder, { ...filter, run: reference.run }, now)
  for (const place of latestPlaces(reference.branch)) {
    const found = await newestOrDead(finder, { ...filter, ...place }, now)
    if (found !== undefined) return found
  }
  return undefined
}

async function newestOrDead(
  finder: ArtifactFinder,
  filter: ArtifactFilter,
  now: number,
): Promise<Artifact | undefined> {
  const live = await finder.findNewest(filter, now)
  return live ?? (await finder.findNewest({ ...filter, state: 'any' }, now))
}

/** Does nothing for a live artifact. Errors: artifact_expired, artifact_deleted. */
export function assertLive(artifact: Artifact, now: number): void {
  const state = effectiveState(artifact, now)
  if (state === 'expired') {
    const expiredAt = artifact.expiresAt
    throw storeError(
      'artifact_expired',
      `artifact ${artifact.name} expired at ${new Date(expiredAt).toISOString()}, ${lifetime(artifact)}`,
      { artifactId: artifact.id, expiredAt, reason: 'retention' },
    )
  }
  if (state === 'deleted') {
    const deletedAt = artifact.removedAt ?? artifact.expiresAt
    const by = artifact.removedBy === null ? '' : ` by ${formatActor(artifact.removedBy)}`
    const reason = endReason(artifact)
    throw storeError(
      'artifact_deleted',
      `artifact ${artifact.name} was ${reason}${by} at ${new Date(deletedAt).toISOString()}`,
      { artifactId: artifact.id, deletedAt, reason },
    )
  }
}
