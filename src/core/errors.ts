/** The closed set of expected failures. Each surface (problem+json, Twirp, Azure XML, exit status,
 *  page) renders them from one table over these codes; storage and core know no status codes. Any
 *  other exception is a bug. */
import type { Digest } from './bytes/digest.ts'

/** The reason of `unauthenticated` when signing in, not another token, is what helps. */
export const asleep = 'asleep'

/** Every failure that a caller can act on, with its details. Details are safe to show to the
 *  caller. */
export interface ErrorDetails {
  /** A request field or parameter that cannot be parsed. */
  invalid_request: { field: string }
  /** An artifact or project name that breaks the naming rules. */
  invalid_name: { name: string; reason: string }
  /** A path in an upload that is not safe to write to a disk. */
  unsafe_path: { path: string; reason: string }
  /** A path that occurs twice, or is both a file and a directory. */
  duplicate_path: { path: string }
  /** An entry kind that artifacts cannot hold (device, socket, pipe). */
  unsupported_entry: { path: string; kind: string }
  /** An archive that is truncated or contradicts itself. */
  bad_archive: { reason: string }
  digest_mismatch: { expected: Digest; actual: Digest }
  length_mismatch: { expectedBytes: number; actualBytes: number }
  /** A body that ended before its declared length. */
  incomplete_body: { expectedBytes: number | null; actualBytes: number }
  /** No bytes were received or sent within the idle limit. */
  idle_timeout: { limitMs: number }
  /** `limit` names the bounded quantity, `setting` the variable that moves the bound. */
  too_large: { limit: string; limitValue: number; setting: string | null }
  /** Logical bytes beyond the quota of a project or of the whole store. `setting` moves the
   *  bound. */
  quota_exceeded: { scope: string; limitBytes: number; usedBytes: number; setting: string }
  unknown_block: { blockId: string }
  block_list_conflict: { uploadId: string }
  unauthenticated: { reason: string }
  signed_url_invalid: { reason: string }
  forbidden: { reason: string }
  not_found: { what: string }
  /** The route exists, but not for this method. */
  method_not_allowed: { allowed: string[] }
  artifact_not_found: { reference: string }
  artifact_expired: { artifactId: number; expiredAt: number; reason: string }
  artifact_deleted: { artifactId: number; deletedAt: number; reason: string }
  /** Another artifact of the same run and attempt has this name. */
  name_taken: { name: string; artifactId: number | null }
  /** Stored bytes that no longer match their digest. */
  blob_damaged: { digest: Digest | null; paths: string[] }
  range_not_satisfiable: { totalBytes: number }
  /** `etag`: what the address has now, as in the header. */
  precondition_failed: { etag: string }
  /** Patterns that match nothing: of an upload, or of the paths to download. */
  no_files: { patterns: string[] }
  /** Credentials found in files to be uploaded; `paths` holds the first few. */
  secrets_found: { paths: string[] }
  /** The disk that holds packs and metadata is full. */
  storage_full: { neededBytes: number | null }
  /** The disk that holds packs and metadata fails, is read-only or denies access, or the database
   *  is damaged. Any access to them can fail with this. */
  storage_failed: { reason: string }
  /** The session behind this work has ended (committed, aborted, or past its lease): of an upload,
   *  of a recording of a run, or the read lease of maintenance. */
  session_ended: { sessionId: string }
  /** A negotiated upload that cannot be committed yet: the manifest, the times or `missing` blobs
   *  have not been sent. */
  upload_incomplete: { what: 'manifest' | 'times' | 'blobs'; missing: number }
  /** Too much concurrent work; a later retry can succeed. */
  busy: { what: string }
  shutting_down: Record<string, never>
}
export type ErrorCode = keyof ErrorDetails

/** An expected failure; created by `storeError`. */
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
    super(shortened(message), options)
    this.code = code
    this.details = Object.fromEntries(
      Object.entries(details).map(([name, value]: [string, unknown]) => [name, shortened(value)]),
    ) as ErrorDetails[ErrorCode]
  }
}

/** Longer texts of an error are cut. They quote what a stranger sent, and every thread and format
 *  on the way to the response makes a copy. No path that an artifact can have is as long. */
const textCharactersMax = 10_000

function shortened<Value>(value: Value): Value | string {
  return typeof value === 'string' && value.length > textCharactersMax
    ? `${value.slice(0, textCharactersMax)}…`
    : value
}

export function storeError<C extends ErrorCode>(
  code: C,
  message: string,
  details: ErrorDetails[C],
  options?: ErrorOptions,
): StoreError {
  return new StoreError(code, message, details, options)
}

/** `field`: of the request, or the setting. */
export function invalidRequest(field: string, message: string, options?: ErrorOptions): StoreError {
  return storeError('invalid_request', message, { field }, options)
}

export function artifactNotFound(
  reference: string,
  message = `there is no artifact ${reference}`,
): StoreError {
  return storeError('artifact_not_found', message, { reference })
}

export function notFound(
  what: string,
  message = `there is no ${what}`,
  options?: ErrorOptions,
): StoreError {
  return storeError('not_found', message, { what }, options)
}

/** For a missing project and for one that the caller may not read alike. */
export function projectNotFound(project: string): StoreError {
  const what = `project ${project}`
  return notFound(what, `there is no ${what}, or you have no access to it`)
}

export function artifactExpired(details: ErrorDetails['artifact_expired']): StoreError {
  return storeError('artifact_expired', `artifact ${details.artifactId} has expired`, details)
}

/** `paths`: of files that are known to be affected. */
export function blobDamaged(
  message: string,
  paths: string[] = [],
  options?: ErrorOptions,
): StoreError {
  return storeError('blob_damaged', message, { digest: null, paths }, options)
}

export function forbidden(reason: string): StoreError {
  return storeError('forbidden', reason, { reason })
}

export function unauthenticated(reason: string): StoreError {
  return storeError('unauthenticated', reason, { reason })
}

export function lengthMismatch(
  message: string,
  expectedBytes: number,
  actualBytes: number,
): StoreError {
  return storeError('length_mismatch', message, { expectedBytes, actualBytes })
}

/** `what` describes the bytes that were checked. */
export function digestMismatch(what: string, expected: Digest, actual: Digest): StoreError {
  const message = `${what}: expected ${expected}, got ${actual}`
  return storeError('digest_mismatch', message, { expected, actual })
}

/** `limit` names the bounded quantity, `setting` the variable that moves the bound. */
export function tooLarge(
  limit: string,
  limitValue: number,
  message: string,
  setting: string | null = null,
): StoreError {
  return storeError('too_large', message, { limit, limitValue, setting })
}

/** The code of an error of Node or zlib, such as Z_DATA_ERROR; empty for anything else. */
export function errorCodeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** Reports whether `error` is a failed system call with one of these codes. */
export function hasErrno(error: unknown, ...codes: string[]): boolean {
  return codes.includes(errorCodeOf(error))
}

/** Wraps anything thrown that is not an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/** Reports whether a thread died of this error because its heap was full. */
export function isOutOfHeap(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'ERR_WORKER_OUT_OF_MEMORY'
}

/** Reports whether `error` is an expected failure with one of these codes. */
export function hasCode<C extends ErrorCode>(
  error: unknown,
  ...codes: C[]
): error is StoreError & { code: C; details: ErrorDetails[C] } {
  return error instanceof StoreError && codes.some((code) => error.code === code)
}

/** Reports whether a write failed because the disk is full or failed. */
export function isRefusedByDisk(error: unknown): boolean {
  return hasCode(error, 'storage_full', 'storage_failed')
}

/** Reports whether a read failed because its artifact was removed, or never existed. */
export function isArtifactGone(error: unknown): boolean {
  return hasCode(error, 'artifact_not_found', 'artifact_deleted', 'artifact_expired')
}

/** Codes for which the same request can succeed later without any change. */
export const retryableCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'busy',
  'shutting_down',
  'storage_full',
  'storage_failed',
  'idle_timeout',
])

/** A thrown value and its chain of causes in structured-cloneable form, to be sent between
 *  threads. */
export type ErrorMessage = (
  | Pick<StoreError, 'code' | 'message' | 'details'>
  | { name: string; message: string; stack: string | undefined }
) & { cause?: ErrorMessage | undefined }

/** Causes of an error that are passed on. Chains of our own are shorter; the bound also ends a
 *  circular one. */
export const causesMax = 8

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

/** Returns a StoreError for an encoded StoreError, otherwise an Error with the same name, message
 *  and stack. */
export function decodeError(encoded: ErrorMessage): Error {
  const cause = encoded.cause && decodeError(encoded.cause)
  const options = cause && { cause }
  if ('code' in encoded)
    return new StoreError(encoded.code, encoded.message, encoded.details, options)
  const { name, message, stack } = encoded
  return Object.assign(new Error(message, options), { name, stack })
}
