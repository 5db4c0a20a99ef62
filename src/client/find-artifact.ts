/** From a reference to the artifact it means, over the API. */
import type { WireArtifact, WireArtifactDetail, WireArtifactList } from '../api/messages.ts'
import { apiRoot, artifactPath } from '../api/paths.ts'
import { storeError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { formatReference, type Reference } from '../core/reference.ts'
import type { ProjectName } from '../core/run.ts'
import { requestJson, type ServerAccess } from './transport/http.ts'

interface Asking {
  /** Completes references that name none; null leaves that to the token. */
  project: ProjectName | null
  signal: AbortSignal
}

/** Errors: artifact_not_found, artifact_expired, artifact_deleted, invalid_request (of several projects), and those of
 *  `openAnswer`. */
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
  // Asking for it by id says how it ended.
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

/** The same with what only the detail of an artifact has. */
export async function readArtifactDetail(
  server: ServerAccess,
  reference: Reference,
  asking: Asking,
): Promise<WireArtifactDetail> {
  const { id } = await readArtifact(server, reference, asking)
  const request = { path: artifactPath(id), signal: asking.signal }
  return await requestJson(server, request, ['id', 'exclusiveBytes'])
}

/** The newest deleted artifact that `reference` means. Errors: artifact_not_found, and those of `openAnswer`. */
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

/** By the rule of the server (browse/find-artifact.ts): what pull requests made of a branch counts only where nothing else has
 *  built it, dead or alive. */
async function findNewest(
  server: ServerAccess,
  reference: Exclude<Reference, { kind: 'id' }>,
  {
    project,
    signal,
    states,
  }: Asking & {
    /** The first that one is in counts. Undefined: what can be downloaded. */
    states: readonly ('deleted' | 'any' | undefined)[]
  },
): Promise<WireArtifact | undefined> {
  const places =
    reference.kind === 'run'
      ? [{ project: reference.project ?? project, run: reference.run }]
      : [
          { project, latestOf: reference.branch },
          { project, branch: reference.branch },
        ]
  for (const place of places) {
    for (const state of states) {
      // An administrator's token is of no project: what several have may not be taken for one another.
      const limit = place.project === null ? limits.listPageMax : 1
      const query = { ...place, name: reference.name, limit, state }
      const request = { path: `${apiRoot}/artifacts`, query, signal }
      const { items } = await requestJson<WireArtifactList>(server, request, ['items'])
      const [newest] = items
      const other = items.find(({ project: each }) => each !== newest?.project)
      if (newest !== undefined && other !== undefined)
        throw ofSeveral(reference, [newest.project, other.project])
      if (newest !== undefined) return newest
    }
  }
  return undefined
}

function ofSeveral(reference: Reference, projects: string[]): Error {
  const found = `${formatReference(reference)} is there in ${projects.join(' and in ')}`
  const message = `${found}: say of which project, by --project`
  return storeError('invalid_request', message, { field: 'project' })
}

function notFound(reference: Reference, what: string): Error {
  const text = formatReference(reference)
  return storeError('artifact_not_found', `there is no ${what} ${text}`, { reference: text })
}
