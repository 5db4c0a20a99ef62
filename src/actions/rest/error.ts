/** Errors in the format of GitHub's REST API: JSON with a `message`, which its clients show. */
import type { StoreError } from '../../core/errors.ts'
import { bugText } from '../../http/failure.ts'
import { problemStatus } from '../../http/problem.ts'

export function restErrorResponse(error: StoreError | undefined, requestId: string): Response {
  if (error === undefined) return restError(500, bugText(requestId))
  return restError(problemStatus(error.code), restMessage(error))
}

function restMessage(error: StoreError): string {
  switch (error.code) {
    // GITHUB-PROTOCOL §16: shown once and not retried.
    case 'artifact_expired':
      return 'Artifact has expired'
    case 'artifact_deleted':
      return 'Artifact has been deleted'
    default:
      return error.message
  }
}

function restError(status: number, message: string): Response {
  return Response.json(
    { message, status: String(status) },
    { status, headers: { 'cache-control': 'no-store' } },
  )
}
