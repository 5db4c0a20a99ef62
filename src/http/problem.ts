/** Errors as `application/problem+json` (RFC 9457), rendered from one table that is total over
 *  the error codes. */
import { retryableCodes, type ErrorCode, type StoreError } from '../core/errors.ts'
import { bugText } from './failure.ts'

const statusOf = {
  invalid_request: 400,
  invalid_name: 422,
  unsafe_path: 422,
  duplicate_path: 422,
  unsupported_entry: 422,
  bad_archive: 400,
  digest_mismatch: 400,
  length_mismatch: 400,
  incomplete_body: 400,
  idle_timeout: 408,
  too_large: 413,
  quota_exceeded: 413,
  unknown_block: 400,
  block_list_conflict: 409,
  unauthenticated: 401,
  signed_url_invalid: 403,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  artifact_not_found: 404,
  artifact_expired: 410,
  artifact_deleted: 410,
  name_taken: 409,
  blob_damaged: 500,
  range_not_satisfiable: 416,
  precondition_failed: 412,
  storage_full: 507,
  storage_failed: 503,
  session_ended: 409,
  no_files: 404,
  secrets_found: 422,
  upload_incomplete: 409,
  busy: 503,
  shutting_down: 503,
} as const satisfies Record<ErrorCode, number>

const titles: Record<(typeof statusOf)[ErrorCode] | 500, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  416: 'Range Not Satisfiable',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  507: 'Insufficient Storage',
}

/** The status of an error code on the native API and on pages. */
export function problemStatus(code: ErrorCode): number {
  return statusOf[code]
}

/** Renders the failure with its details; instants become ISO 8601, digests their wire form. */
export function problemResponse(error: StoreError | undefined, requestId: string): Response {
  const status = error === undefined ? 500 : statusOf[error.code]
  const details = error?.details ?? {}
  const { code, message: detail } = error ?? { code: null, message: bugText(requestId) }
  const body = {
    ...problemBody({ status, title: titles[status], code, detail, requestId }),
    ...wireDetails(details),
  }
  const headers = problemHeaders(status, details)
  headers.set('content-type', 'application/problem+json')
  if (status === 401) headers.set('www-authenticate', 'Bearer realm="trove"')
  return new Response(JSON.stringify(body), { status, headers })
}

/** The fields of every problem; `code` is null for a bug. */
export function problemBody({
  status,
  title,
  code,
  detail,
  requestId,
}: {
  status: number
  title: string
  code: ErrorCode | null
  detail: string
  requestId: string
}): object {
  const retryable = code !== null && retryableCodes.has(code)
  return {
    type: 'about:blank',
    title,
    status,
    detail,
    code: code ?? 'internal',
    retryable,
    requestId,
  }
}

/** The header fields that a failure has in any format. */
export function problemHeaders(status: number, details: StoreError['details'] | object): Headers {
  const headers = new Headers({ 'cache-control': 'no-store' })
  if ('allowed' in details) headers.set('allow', details.allowed.join(', '))
  if (status === 503) headers.set('retry-after', '2')
  if ('totalBytes' in details) headers.set('content-range', `bytes */${details.totalBytes}`)
  if ('etag' in details) headers.set('etag', details.etag)
  return headers
}

function wireDetails(details: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]: [string, unknown]) => {
      if (name.endsWith('At') && typeof value === 'number')
        return [name, new Date(value).toISOString()]
      if (isDigestField(name) && typeof value === 'string') return [name, `sha256:${value}`]
      return [name, value]
    }),
  )
}

function isDigestField(name: string): boolean {
  return name === 'digest' || name === 'expected' || name === 'actual'
}
