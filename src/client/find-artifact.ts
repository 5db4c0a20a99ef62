/** Resolves a reference to the artifact it names, over the API. */
import type { WireArtifact, WireArtifactDetail, WireArtifactList } from '../api/messages.ts'
import { apiRoot, artifactPath } from '../api/paths.ts'
import { artifactNotFound, invalidRequest } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { formatReference, latestPlaces, type Reference } from '../core/reference.ts'
import type { ProjectName } from '../core/run/run.ts'
import { requestJson, type ServerAccess } from './transport/http.ts'

interface Asking {
  /** Completes references that name no project; null leaves the choice to the token. */
  project: ProjectName | null
  signal: AbortSignal
}

/** Errors: artifact_not_found, artifact_expired, artifact_deleted, invalid_request (several
 *  projects have one), and those of `openAnswer`. */
export async function readArtifact(
  server: ServerAccess,
  reference: Reference,
  { project, signal }: Asking,
): Promise<WireArtifact> {
  if (reference.kind === 'id') return await readById(server, reference.id, signal)
  const states = [undefined, 'any'] as const
  const found = await findNewest(server, reference, { project, signal, states })
  if (found === undefined) throw notFound(reference, 'artifact')
  const isDead = found.state === 'expired' || found.state === 'deleted'
  // Reading a dead artifact by id fails with the code that says how it ended.
  return isDead ? await readById(server, found.id, signal) : found
}

async function readById(
  server: ServerAccess,
  id: number,
  signal: AbortSignal,
): Promise<WireArtifact> {
  const request = { path: artifactPath(id), query: { brief: true }, signal }
  return await requestJson(server, request, ['id', 'treeDigest'])
}

/** Like `readArtifact`, but returns the fields that only the detail has. Errors: the same. */
export async function readArtifactDetail(
  server: ServerAccess,
  reference: Reference,
  asking: Asking,
): Promise<WireArtifactDetail> {
  const { id } = await readArtifact(server, reference, asking)
  const request = { path: artifactPath(id), signal: asking.signal }
  return await requestJson(server, request, ['id', 'exclusiveBytes'])
}

/** Returns the id of the newest deleted artifact that `reference` names. Errors:
 *  artifact_not_found, and those of `openAnswer`. */
export async function findDeleted(
  server: ServerAccess,
  reference: Reference,
  { project, signal }: Asking,
): Promise<number> {
  if (reference.kind === 'id') return reference.id
  const found = await findNewest(server, reference, { project, signal, states: ['deleted'] })
  if (found === undefined) throw notFound(reference, 'deleted artifact')
  return found.id
}

/** Follows the server's rule (browse/find-artifact.ts): a later place counts only when there is
 *  nothing at an earlier one, dead or alive. */
async function findNewest(
  server: ServerAccess,
  reference: Exclude<Reference, { kind: 'id' }>,
  {
    project,
    signal,
    states,
  }: Asking & {
    /** Tried in this order; the first state with a match wins. Undefined: available for
     *  download. */
    states: readonly ('deleted' | 'any' | undefined)[]
  },
): Promise<WireArtifact | undefined> {
  const places =
    reference.kind === 'run'
      ? [{ project: reference.project ?? project, run: reference.run }]
      : latestPlaces(reference.branch).map((place) => ({ project, ...place }))
  for (const place of places) {
    for (const state of states) {
      // An administrator's token has no project, so a page is read to detect matches in several
      // projects.
      const limit = place.project === null ? limits.listPageMax : 1
      const query = { ...place, name: reference.name, limit, state }
      const request = { path: `${apiRoot}/artifacts`, query, signal }
      const { items } = await requestJson<WireArtifactList>(server, request, ['items'])
      const [newest] = items
      const other = items.find(({ project: each }) => each !== newest?.project)
      if (newest !== undefined && other !== undefined)
        throw ambiguous(reference, [newest.project, other.project])
      if (newest !== undefined) return newest
    }
  }
  return undefined
}

function ambiguous(reference: Reference, projects: string[]): Error {
  const found = `${formatReference(reference)} exists in ${projects.join(' and in ')}`
  const message = `${found}; choose one with --project`
  return invalidRequest('project', message)
}

function notFound(reference: Reference, what: string): Error {
  const text = formatReference(reference)
  return artifactNotFound(text, `there is no ${what} ${text}`)
}
