/** The closed set of expected failures. Each surface (problem+json, Twirp, Azure XML, exit status, page) renders them
 *  from one table over these codes; storage and core know no status codes. Anything else that is thrown is a bug. */
import type { Digest } from './digest.ts'

/** Every failure a caller can act on, and the facts it carries. Facts are safe to show to the caller. */
export interface ErrorDetails {
  /** A request field or parameter that cannot be understood. */
  invalid_request: { field: string }
  /** An artifact or project name that the naming rules refuse. */
  invalid_name: { name: string; reason: string }
  /** A path inside an upload that must not exist on anybody's disk. */
  unsafe_path: { path: string; reason: string }
  /** The same path twice, or a path that is a file and a directory at once. */
  duplicate_path: { path: string }
  /** An entry kind that artifacts do not hold (device, socket, pipe). */
  unsupported_entry: { path: string; kind: string }
  /** An archive that ends too early or contradicts itself. */
  bad_archive: { reason: string }
  digest_mismatch: { expected: Digest; actual: Digest }
  length_mismatch: { expectedBytes: number; actualBytes: number }
  /** A body that ended before its announced length. */
  incomplete_body: { expectedBytes: number | null; actualBytes: number }
  /** Nothing arrived or could be sent for the idle limit. */
  idle_timeout: { limitMs: number }
  /** `limit` names what is bounded, `setting` the variable that moves the bound. */
  too_large: { limit: string; limitValue: number; setting: string | null }
  /** Logical bytes beyond what a project, or the whole store, may hold. `setting` moves the bound. */
  quota_exceeded: { scope: string; limitBytes: number; usedBytes: number; setting: string }
  unknown_block: { blockId: string }
  block_list_conflict: { uploadId: string }
  unauthenticated: { reason: string }
  signed_url_invalid: { reason: string }
  forbidden: { reason: string }
  not_found: { what: string }
  /** A route that is there, for other methods. */
  method_not_allowed: { allowed: string[] }
  artifact_not_found: { reference: string }
  artifact_expired: { artifactId: number; expiredAt: number; reason: string }
  artifact_deleted: { artifactId: number; deletedAt: number; reason: string }
  /** The name is held by another artifact of the same run and attempt. */
  name_taken: { name: string; artifactId: number | null }
  /** Stored bytes that no longer hash to their name. */
  blob_damaged: { digest: Digest | null; paths: string[] }
  range_not_satisfiable: { totalBytes: number }
  /** An upload whose patterns match nothing. */
  no_files: { patterns: string[] }
  /** Credentials in what was to be uploaded: the first of the paths. */
  secrets_found: { paths: string[] }
  /** No room on the disk that holds packs and metadata. */
  storage_full: { neededBytes: number | null }
  /** The session behind this work ended (committed, aborted or past its lease). */
  session_ended: { sessionId: string }
  /** A negotiated upload is not whole yet: the manifest, times or `missing` blobs have not been sent. */
  upload_incomplete: { what: 'manifest' | 'times' | 'blobs'; missing: number }
  /** Too much work at once; asking again later can succeed. */
  busy: { what: string }
  shutting_down: Record<string, never>
}
export type ErrorCode = keyof ErrorDetails

/** An expected failure; made by `storeError`. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: ErrorCode
  readonly details: ErrorDetails[ErrorCode]
  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails[ErrorCode],
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.code = code
    this.details = details
  }
}

export function storeError<C extends ErrorCode>(
  code: C,
  message: string,
  details: ErrorDetails[C],
  options?: ErrorOptions,
): StoreError {
  return new StoreError(code, message, details, options)
}

/** `what`: the bytes that were checked. */
export function digestMismatch(what: string, expected: Digest, actual: Digest): StoreError {
  const message = `${what}: expected ${expected}, got ${actual}`
  return storeError('digest_mismatch', message, { expected, actual })
}

/** `limit`: what is bounded; `setting`: the variable that moves the bound. */
export function tooLarge(
  limit: string,
  limitValue: number,
  message: string,
  setting: string | null = null,
): StoreError {
  return storeError('too_large', message, { limit, limitValue, setting })
}

/** What was thrown, which can be anything. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

export function hasCode<C extends ErrorCode>(
  error: unknown,
  code: C,
): error is StoreError & { code: C; details: ErrorDetails[C] } {
  return error instanceof StoreError && error.code === code
}

/** Codes for which the same request can succeed later without anybody changing anything. */
export const retryableCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'busy',
  'shutting_down',
  'storage_full',
  'idle_timeout',
])

/** What was thrown as a structured-cloneable value, to cross threads, with what it was caused by. */
export type ErrorMessage = (
  | Pick<StoreError, 'code' | 'message' | 'details'>
  | { name: string; message: string; stack: string | undefined }
) & { cause?: ErrorMessage | undefined }

/** Longer chains are none of ours, and one that is a circle has no end. */
const causesMax = 8

export function encodeError(thrown: unknown, causesLeft = causesMax): ErrorMessage {
  const error = asError(thrown)
  const cause =
    error.cause instanceof Error && causesLeft > 0
      ? encodeError(error.cause, causesLeft - 1)
      : undefined
  const { name, message, stack } = error
  if (!(error instanceof StoreError)) return { name, message, stack, cause }
  return { code: error.code, message, details: error.details, cause }
}

/** A StoreError for one; an Error that says the same for all else. */
export function decodeError(encoded: ErrorMessage): Error {
  const cause = encoded.cause && decodeError(encoded.cause)
  const options = cause && { cause }
  if ('code' in encoded)
    return new StoreError(encoded.code, encoded.message, encoded.details, options)
  const { name, message, stack } = encoded
  return Object.assign(new Error(message, options), { name, stack })
}
