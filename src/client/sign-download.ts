/** A download URL of an artifact that needs no token for a limited time. */
import type { WireArtifact } from '../api/messages.ts'
import { signedDownloadPath } from '../api/paths.ts'
import { openAnswer, type ServerAccess } from './transport/http.ts'
import { AnswerError } from './transport/network-error.ts'

/** Signs the URL of its zip, or of the file of a raw artifact. `expiresAt` is ISO 8601. Errors:
 *  those of `openAnswer`. */
export async function signDownload(
  server: ServerAccess,
  { id, project }: WireArtifact,
  signal: AbortSignal,
): Promise<{ url: string; expiresAt: string }> {
  const path = signedDownloadPath(project, id)
  const answer = await openAnswer(server, { path, takesRedirect: true, signal })
  answer.discard()
  const url = answer.header('location')
  const seconds = url !== null && URL.canParse(url) && new URL(url).searchParams.get('se')
  if (url === null || !seconds) throw new AnswerError(`${server.url} returned no signed URL`)
  return { url, expiresAt: new Date(Number(seconds) * 1000).toISOString() }
}
