/** A download URL of an artifact, or of a file in it, that needs no token for a limited time. */
import { signedUrlPath } from '../api/paths.ts'
import type { WireSignedUrl } from '../api/signed-url-messages.ts'
import { requestJson, type ServerAccess } from './transport/http.ts'

/** Signs the URL of the file at `path`, or if that is empty of the artifact's zip, or of the file
 *  of a raw artifact. `expiresAt` is ISO 8601. Errors: not_found (no such file), and those of
 *  `openAnswer`. */
export async function signDownload(
  server: ServerAccess,
  artifactId: number,
  { path, signal }: { path: string; signal: AbortSignal },
): Promise<WireSignedUrl> {
  const query = { path: path === '' ? null : path }
  const request = { path: signedUrlPath(artifactId), query, signal }
  return await requestJson(server, request, ['url', 'expiresAt'])
}
