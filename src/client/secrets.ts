/** Credentials in an artifact, as the server has found them. */
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

/** Errors: also not_found (no file of that digest holds any), forbidden. */
export async function dismissSecrets(
  server: ServerAccess,
  artifactId: number,
  json: WireSecretDismissal,
  signal: AbortSignal,
): Promise<WireSecretList> {
  const request = { method: 'PATCH', path: secretsPath(artifactId), json, signal } as const
  return await requestJson(server, request, ['secrets'])
}
