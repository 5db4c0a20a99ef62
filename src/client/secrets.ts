/** Credentials that the server has found in an artifact, and those that a project dismissed. */
import type { WireDismissedAnswer, WireSecretDismissal, WireSecretList } from '../api/secrets.ts'
import { dismissedPath, secretsPath } from '../api/paths.ts'
import { type Digest, formatWireDigest, parseWireDigest } from '../core/bytes/digest.ts'
import { limits } from '../core/limits.ts'
import { requestJson, type ServerAccess } from './transport/http.ts'

/** Errors: artifact_not_found, artifact_expired, artifact_deleted, and those of `openAnswer`. */
export async function listSecrets(
  server: ServerAccess,
  artifactId: number,
  signal: AbortSignal,
): Promise<WireSecretList> {
  return await requestJson(server, { path: secretsPath(artifactId), signal }, ['secrets'])
}

/** Errors: those of `listSecrets`, not_found (no file with that digest holds credentials),
 *  forbidden. */
export async function dismissSecrets(
  server: ServerAccess,
  artifactId: number,
  json: WireSecretDismissal,
  signal: AbortSignal,
): Promise<WireSecretList> {
  const request = { method: 'PATCH', path: secretsPath(artifactId), json, signal } as const
  return await requestJson(server, request, ['secrets'])
}

/** Returns those of the files whose findings somebody in the project dismissed; asks only about
 *  the first thousand. Errors: those of `openAnswer`. */
export async function listDismissed(
  server: ServerAccess,
  project: string,
  digests: readonly Digest[],
  signal: AbortSignal,
): Promise<Set<Digest>> {
  const asked = [...new Set(digests)].slice(0, limits.dismissedDigestsMax)
  const request = {
    method: 'POST',
    path: dismissedPath(project),
    json: { digests: asked.map(formatWireDigest) },
    repeatable: true,
    signal,
  } as const
  const answer = await requestJson<WireDismissedAnswer>(server, request, ['digests'])
  return new Set(answer.digests.map(parseWireDigest).filter((digest) => digest !== undefined))
}
