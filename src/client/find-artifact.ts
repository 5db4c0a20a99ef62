/** From a reference to the artifact it means, over the API. */
import type { WireArtifact, WireArtifactDetail, WireArtifactList } from '../api/messages.ts'
import { apiRoot, artifactPath } from '../api/paths.ts'
import { storeError } from '../core/errors.ts'
import { formatReference, type Reference } from '../core/reference.ts'
import type { ProjectName } from '../core/run.ts'
import { requestJson, type ServerAccess } from './transport/http.ts'

interface Asking {
  /** Completes references that name none; null leaves that to the token. */
  project: ProjectName | null
  signal: AbortSignal
}

/** Errors: artifact_not_found, artifact_expired, artifact_deleted, and those of `openAnswer`. */
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
      const query = { ...place, name: reference.name, limit: 1, state }
      const request = { path: `${apiRoot}/artifacts`, query, signal }
      const { items } = await requestJson<WireArtifactList>(server, request, ['items'])
      if (items[0] !== undefined) return items[0]
    }
  }
  return undefined
}

function notFound(reference: Reference, what: string): Error {
  const text = formatReference(reference)
  return storeError('artifact_not_found', `there is no ${what} ${text}`, { reference: text })
}
