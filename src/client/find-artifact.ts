/** From a reference to the artifact it means, over the API. */
import type { WireArtifact, WireArtifactList } from '../api/messages.ts'
import { apiRoot, artifactPath } from '../api/paths.ts'
import { storeError } from '../core/errors.ts'
import { formatReference, type Reference } from '../core/reference.ts'
import type { ProjectName } from '../core/run.ts'
import { requestJson, type ServerAccess } from './transport/http.ts'

/** `project` completes references that name none; null leaves that to the token.
 *  Errors: artifact_not_found, artifact_expired, artifact_deleted, and those of `openAnswer`. */
export async function readArtifact(
  server: ServerAccess,
  reference: Reference,
  { project, signal }: { project: ProjectName | null; signal: AbortSignal },
): Promise<WireArtifact> {
  if (reference.kind === 'id') return await readById(server, reference.id, signal)
  const live = await findNewest(server, reference, { project, signal, state: undefined })
  if (live !== undefined) return live
  const dead = await findNewest(server, reference, { project, signal, state: 'any' })
  if (dead === undefined) throw notFound(reference, 'artifact')
  // Asking for it by id says how it ended.
  return await readById(server, dead.id, signal)
}

async function readById(
  server: ServerAccess,
  id: number,
  signal: AbortSignal,
): Promise<WireArtifact> {
  const request = { path: artifactPath(id), query: { brief: true }, signal }
  return await requestJson(server, request, ['id', 'treeDigest'])
}

/** The newest deleted artifact that `reference` means. Errors: artifact_not_found, and those of `openAnswer`. */
export async function findDeleted(
  server: ServerAccess,
  reference: Reference,
  { project, signal }: { project: ProjectName | null; signal: AbortSignal },
): Promise<number> {
  if (reference.kind === 'id') return reference.id
  const found = await findNewest(server, reference, { project, signal, state: 'deleted' })
  if (found === undefined) throw notFound(reference, 'deleted artifact')
  return found.id
}

async function findNewest(
  server: ServerAccess,
  reference: Exclude<Reference, { kind: 'id' }>,
  {
    project,
    signal,
    state,
  }: {
    project: ProjectName | null
    signal: AbortSignal
    /** Undefined: one that can be downloaded. */
    state: 'deleted' | 'any' | undefined
  },
): Promise<WireArtifact | undefined> {
  const query = {
    project: (reference.kind === 'run' ? reference.project : null) ?? project,
    name: reference.name,
    limit: 1,
    state,
    ...(reference.kind === 'run' ? { run: reference.run } : { branch: reference.branch }),
  }
  const request = { path: `${apiRoot}/artifacts`, query, signal }
  return (await requestJson<WireArtifactList>(server, request, ['items'])).items[0]
}

function notFound(reference: Reference, what: string): Error {
  const text = formatReference(reference)
  return storeError('artifact_not_found', `there is no ${what} ${text}`, { reference: text })
}
