/** From a reference to the artifact it means, over the API. */
import {
  artifactDetailSchema,
  artifactListSchema,
  type WireArtifactDetail,
} from '../api/messages.ts'
import { apiRoot, artifactPath } from '../api/paths.ts'
import { storeError } from '../core/errors.ts'
import { formatReference, type Reference } from '../core/reference.ts'
import type { ProjectName } from '../core/run.ts'
import { requestJson, type ServerAccess } from './http.ts'

/** `project` completes references that name none; null leaves that to the token.
 *  Errors: artifact_not_found, artifact_expired, artifact_deleted, and those of `openResponse`. */
export async function readArtifact(
  server: ServerAccess,
  reference: Reference,
  { project, signal }: { project: ProjectName | null; signal: AbortSignal },
): Promise<WireArtifactDetail> {
  const id =
    reference.kind === 'id' ? reference.id : await findId(server, reference, { project, signal })
  return await requestJson(server, { path: artifactPath(id), signal }, artifactDetailSchema)
}

async function findId(
  server: ServerAccess,
  reference: Exclude<Reference, { kind: 'id' }>,
  { project, signal }: { project: ProjectName | null; signal: AbortSignal },
): Promise<number> {
  const query = {
    project: (reference.kind === 'run' ? reference.project : null) ?? project,
    name: reference.name,
    limit: 1,
    ...(reference.kind === 'run' ? { run: reference.run } : { branch: reference.branch }),
  }
  // A dead artifact is looked for second: asking for it by id then says how it ended.
  for (const state of [undefined, 'any']) {
    const request = { path: `${apiRoot}/artifacts`, query: { ...query, state }, signal }
    const [found] = (await requestJson(server, request, artifactListSchema)).items
    if (found !== undefined) return found.id
  }
  const text = formatReference(reference)
  throw storeError('artifact_not_found', `there is no artifact ${text}`, { reference: text })
}
