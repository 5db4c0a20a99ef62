/** From a reference to the artifact it means, over the API. */
import type { WireArtifactDetail, WireArtifactList } from '../api/messages.ts'
import { apiRoot, artifactPath } from '../api/paths.ts'
import { storeError } from '../core/errors.ts'
import { formatReference, type Reference } from '../core/reference.ts'
import type { ProjectName } from '../core/run.ts'
import { requestJson, type ServerAccess } from './http.ts'

/** `project` completes references that name none; null leaves that to the token.
 *  Errors: artifact_not_found, artifact_expired, artifact_deleted, and those of `openAnswer`. */
export async function readArtifact(
  server: ServerAccess,
  reference: Reference,
  { project, signal }: { project: ProjectName | null; signal: AbortSignal },
): Promise<WireArtifactDetail> {
  const id =
    reference.kind === 'id' ? reference.id : await findId(server, reference, { project, signal })
  return await requestJson(server, { path: artifactPath(id), signal }, ['id', 'treeDigest'])
}

/** The newest deleted artifact that `reference` means. Errors: artifact_not_found, and those of `openAnswer`. */
export async function findDeleted(
  server: ServerAccess,
  reference: Reference,
  { project, signal }: { project: ProjectName | null; signal: AbortSignal },
): Promise<number> {
  if (reference.kind === 'id') return reference.id
  return await findId(server, reference, { project, signal, states: ['deleted'] })
}

async function findId(
  server: ServerAccess,
  reference: Exclude<Reference, { kind: 'id' }>,
  {
    project,
    signal,
    // A dead artifact is looked for second: asking for it by id then says how it ended.
    states = [undefined, 'any'],
  }: {
    project: ProjectName | null
    signal: AbortSignal
    states?: readonly ('deleted' | 'any' | undefined)[]
  },
): Promise<number> {
  const query = {
    project: (reference.kind === 'run' ? reference.project : null) ?? project,
    name: reference.name,
    limit: 1,
    ...(reference.kind === 'run' ? { run: reference.run } : { branch: reference.branch }),
  }
  for (const state of states) {
    const request = { path: `${apiRoot}/artifacts`, query: { ...query, state }, signal }
    const { items } = await requestJson<WireArtifactList>(server, request, ['items'])
    const [found] = items
    if (found !== undefined) return found.id
  }
  const text = formatReference(reference)
  const kind = states.includes('deleted') ? 'deleted artifact' : 'artifact'
  throw storeError('artifact_not_found', `there is no ${kind} ${text}`, { reference: text })
}
