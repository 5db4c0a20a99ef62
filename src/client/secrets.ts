/** Credentials that the server has found in an artifact. */
import type { WireSecretDismissal, WireSecretList } from '../api/secrets.ts'
import { secretsPath } from '../api/paths.ts'
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
