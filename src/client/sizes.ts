/** The children of a directory of an artifact by size, as computed by the server. */
import { sizesPath } from '../api/paths.ts'
import type { WireDirectorySizes } from '../api/size-messages.ts'
import { requestJson, type ServerAccess } from './transport/http.ts'

/** Errors: not_found (no such path), and those of `openAnswer`. */
export async function readSizes(
  server: ServerAccess,
  artifactId: number,
  { path, limit, signal }: { path: string; limit: number; signal: AbortSignal },
): Promise<WireDirectorySizes> {
  const request = { path: sizesPath(artifactId), query: { path, limit }, signal }
  return await requestJson(server, request, ['children', 'others'])
}
