/** Asks, beside the hashing of a large tree, whether the server would refuse the upload: a token
 *  that has ended should not be found out after minutes of reading. */
import type { UploadCheck } from '../../api/negotiation-messages.ts'
import { uploadCheckPath } from '../../api/paths.ts'
import { hasCode } from '../../core/errors.ts'
import { connectEarly } from '../transport/agents.ts'
import { requestBytes, type ServerAccess } from '../transport/http.ts'
import { isPassing } from './upload-session.ts'

/** Hashing that is done by then costs no request. */
const askAfterMs = 250

/** Returns the result of `hash`. Its signal is aborted when `signal` is, and when the server
 *  refuses the upload. Whatever may pass, or is still unanswered when `hash` is done, is left to
 *  the offer. Errors: those of `hash`, and the server's refusal. */
export async function unlessRefused<T>(
  { server, target, signal }: { server: ServerAccess; target: UploadCheck; signal: AbortSignal },
  hash: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const refused = new AbortController()
  const either = AbortSignal.any([signal, refused.signal])
  const ask = async (): Promise<void> => {
    const { project, run, attempt, job, name, overwrite } = target
    const json = { project, run, attempt, job, name, overwrite }
    const request = { method: 'POST', path: uploadCheckPath, json, signal: either } as const
    const asking = requestBytes(server, request)
    // The offer should not have to wait for the connection that this request takes.
    connectEarly(server)
    await asking
  }
  const timer = setTimeout(() => {
    ask().catch((error: unknown) => {
      if (!isPassing(error) && !isUnknownRoute(error)) refused.abort(error)
    })
  }, askAfterMs)
  try {
    return await hash(either)
  } finally {
    clearTimeout(timer)
  }
}

/** Whether the server is older than the route. */
function isUnknownRoute(error: unknown): boolean {
  return hasCode(error, 'not_found') && error.message.includes(uploadCheckPath)
}
