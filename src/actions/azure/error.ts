/** Errors as Azure XML, from one table that is total over the error codes. `<Message>` becomes
 *  the text of the failed step. The SDK retries on 500 and 503 only (GITHUB-PROTOCOL §8.5), so
 *  overload is 503 and never 429. */
import type { ErrorCode, StoreError } from '../../core/errors.ts'
import { escapeXml } from '../../core/xml.ts'
import { bugText } from '../../http/failure.ts'

/** Azure code and status of each error code. */
const azureErrors = {
  invalid_request: ['InvalidInput', 400],
  invalid_name: ['InvalidInput', 400],
  unsafe_path: ['InvalidInput', 400],
  duplicate_path: ['InvalidInput', 400],
  unsupported_entry: ['InvalidInput', 400],
  bad_archive: ['InvalidInput', 400],
  digest_mismatch: ['Md5Mismatch', 400],
  length_mismatch: ['InvalidInput', 400],
  incomplete_body: ['IncompleteBody', 400],
  idle_timeout: ['OperationTimedOut', 500],
  too_large: ['RequestBodyTooLarge', 413],
  quota_exceeded: ['InsufficientStorage', 403],
  unknown_block: ['InvalidBlockList', 400],
  block_list_conflict: ['BlobImmutableDueToPolicy', 409],
  unauthenticated: ['NoAuthenticationInformation', 401],
  signed_url_invalid: ['AuthenticationFailed', 403],
  forbidden: ['AuthorizationFailure', 403],
  not_found: ['BlobNotFound', 404],
  method_not_allowed: ['UnsupportedHttpVerb', 405],
  artifact_not_found: ['BlobNotFound', 404],
  artifact_expired: ['BlobNotFound', 404],
  artifact_deleted: ['BlobNotFound', 404],
  name_taken: ['BlobAlreadyExists', 409],
  blob_damaged: ['InternalError', 500],
  range_not_satisfiable: ['InvalidRange', 416],
  precondition_failed: ['ConditionNotMet', 412],
  storage_full: ['InsufficientStorage', 507],
  storage_failed: ['ServerBusy', 503],
  session_ended: ['BlobNotFound', 404],
  no_files: ['InvalidInput', 400],
  secrets_found: ['InvalidInput', 400],
  upload_incomplete: ['InvalidBlockList', 400],
  busy: ['ServerBusy', 503],
  shutting_down: ['ServerBusy', 503],
} as const satisfies Record<ErrorCode, readonly [string, number]>

export function azureErrorResponse(error: StoreError | undefined, requestId: string): Response {
  if (error === undefined) return azureError(500, 'InternalError', bugText(requestId))
  const [code, status] = azureErrors[error.code]
  return azureError(status, code, error.message)
}

function azureError(status: number, code: string, message: string): Response {
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error>`
  return new Response(body, {
    status,
    headers: {
      'content-type': 'application/xml',
      'x-ms-error-code': code,
      'cache-control': 'no-store',
    },
  })
}
