/** Errors as Twirp JSON, from one table that is total over the error codes. The client shows
 *  `msg` and the status, and tries up to five times on statuses 429, 500, 502, 503 and 504
 *  (GITHUB-PROTOCOL §5), so only transient errors use these. */
import type { ErrorCode, StoreError } from '../../core/errors.ts'
import { bugText } from '../../http/failure.ts'

/** Twirp code and status of each error code. */
export const twirpErrors = {
  invalid_request: ['invalid_argument', 400],
  invalid_name: ['invalid_argument', 400],
  unsafe_path: ['invalid_argument', 400],
  duplicate_path: ['invalid_argument', 400],
  unsupported_entry: ['invalid_argument', 400],
  bad_archive: ['invalid_argument', 400],
  digest_mismatch: ['invalid_argument', 400],
  length_mismatch: ['invalid_argument', 400],
  incomplete_body: ['malformed', 400],
  idle_timeout: ['deadline_exceeded', 408],
  too_large: ['resource_exhausted', 413],
  // GITHUB-PROTOCOL §13: shown once, in our own words.
  quota_exceeded: ['resource_exhausted', 403],
  unknown_block: ['invalid_argument', 400],
  block_list_conflict: ['failed_precondition', 412],
  unauthenticated: ['unauthenticated', 401],
  signed_url_invalid: ['permission_denied', 403],
  forbidden: ['permission_denied', 403],
  not_found: ['not_found', 404],
  method_not_allowed: ['bad_route', 404],
  artifact_not_found: ['not_found', 404],
  // Tombstones are invisible here: to these clients an ended artifact never existed.
  artifact_expired: ['not_found', 404],
  artifact_deleted: ['not_found', 404],
  name_taken: ['already_exists', 409],
  blob_damaged: ['data_loss', 500],
  range_not_satisfiable: ['out_of_range', 400],
  precondition_failed: ['failed_precondition', 412],
  storage_full: ['resource_exhausted', 507],
  storage_failed: ['unavailable', 503],
  session_ended: ['aborted', 503],
  no_files: ['invalid_argument', 400],
  secrets_found: ['invalid_argument', 400],
  upload_incomplete: ['failed_precondition', 412],
  busy: ['unavailable', 503],
  shutting_down: ['unavailable', 503],
} as const satisfies Record<ErrorCode, readonly [string, number]>

/** GITHUB-PROTOCOL §6.1: GitHub's wording, which users know and search for. */
const nameTakenText = 'an artifact with this name already exists on the workflow run'

export function twirpErrorResponse(error: StoreError | undefined, requestId: string): Response {
  if (error === undefined) return twirpError(500, 'internal', bugText(requestId))
  const [code, status] = twirpErrors[error.code]
  return twirpError(status, code, error.code === 'name_taken' ? nameTakenText : error.message)
}

export function twirpBadRoute(path: string): Response {
  return twirpError(404, 'bad_route', `no handler for path ${JSON.stringify(path)}`)
}

function twirpError(status: number, code: string, msg: string): Response {
  return Response.json({ code, msg }, { status, headers: { 'cache-control': 'no-store' } })
}
