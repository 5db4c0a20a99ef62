/** The outermost boundary of every surface: tells expected failures from bugs and hang-ups, and logs each once. How a
 *  failure looks on the wire is the surface's own table. */
import { asError, StoreError, type ErrorCode } from '../core/errors.ts'
import type { AppRequest } from './context.ts'

/** Failures that the operator should see even though a client caused none of them. */
const operatorCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'storage_full',
  'busy',
  'blob_damaged',
  'session_ended',
])

/** How a surface words a failure. Of a bug (undefined) it tells nothing but `bugText`. */
export type FailureRenderer = (failure: StoreError | undefined, requestId: string) => Response

export function bugText(requestId: string): string {
  return `an internal error happened; the log has it under request ${requestId}`
}

/** The failure to render; undefined for a bug, of which the caller may show nothing. */
export function noteFailure(c: AppRequest, error: unknown): StoreError | undefined {
  const log = c.get('log')
  if (error instanceof StoreError) {
    c.set('failure', error.code)
    if (operatorCodes.has(error.code)) log.warn(error.message, { code: error.code, error })
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
