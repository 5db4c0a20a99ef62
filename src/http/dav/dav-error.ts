/** Errors of WebDAV, as text: its clients show at most that, and most only the status. */
import type { StoreError } from '../../core/errors.ts'
import { bugText } from '../failure.ts'
import { problemHeaders, problemStatus } from '../problem.ts'

export function davErrorResponse(error: StoreError | undefined, requestId: string): Response {
  const status = error === undefined ? 500 : problemStatus(error.code)
  const headers = problemHeaders(status, error?.details ?? {})
  headers.set('content-type', 'text/plain; charset=utf-8')
  let text = error?.message ?? bugText(requestId)
  if (status === 401) {
    // Clients ask for a password only after a challenge of this scheme (RFC 7617 §2).
    headers.set('www-authenticate', 'Basic realm="trove", charset="UTF-8"')
    text += '; here a token can also be the password, with any user name'
  }
  return new Response(`${text}\n`, { status, headers })
}
