/** The outermost error boundary of every surface: separates expected failures from bugs and
 *  hang-ups, and logs each once. Each surface has its own table of how failures look on the
 *  wire. */
import { asError, hasCode, StoreError, type ErrorCode } from '../core/errors.ts'
import type { AppRequest } from './context.ts'

/** Codes that the operator should see in the log, although no client caused them. */
const operatorCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'storage_full',
  'storage_failed',
  'busy',
  'blob_damaged',
  'session_ended',
])

/** Renders a failure for one surface. For a bug (undefined) the response contains only
 *  `bugText`. */
export type FailureRenderer = (failure: StoreError | undefined, requestId: string) => Response

export function bugText(requestId: string): string {
  return `internal error; see request ${requestId} in the server's log`
}

/** Returns the failure to render; undefined for a bug, whose details must not be shown. */
export function noteFailure(c: AppRequest, error: unknown): StoreError | undefined {
  const log = c.get('log')
  if (error instanceof StoreError) {
    c.set('failure', error.code)
    if (operatorCodes.has(error.code)) {
      const cause = error.cause instanceof Error ? error.cause.message : undefined
      log.warn(error.message, { code: error.code, cause })
    } else if (!hasCode(error, 'not_found', 'method_not_allowed')) {
      // Those repeat the path, which can be a credential (`loggedPath`).
      c.set('reason', error.message)
    }
    return error
  }
  if (c.req.raw.signal.aborted) {
    c.set('failure', 'aborted')
    return undefined
  }
  c.set('failure', 'internal')
  log.error('a request failed', { error: asError(error) })
  return undefined
}
