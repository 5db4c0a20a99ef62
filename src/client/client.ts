/** The client library: what programs (and the `trove` command) do with a server. Calls are
 *  independent of each other; worker threads live as long as one call. In messages, digests are
 *  `sha256:<hex>`, instants ISO 8601 in UTC, and sizes whole bytes. */
import type {
  WireArtifact,
  WireRetainedArtifact,
  WireBulkDeletion,
  WireHolder,
  WireSearchMatch,
} from '../api/messages.ts'
import { setMaxListeners } from 'node:events'
import { join } from 'node:path'
import type { ServerAccess } from './transport/http.ts'
import { createPatience } from './transport/patience.ts'
import { uploadArtifact, type UploadOptions, type UploadResult } from './upload/upload.ts'
import type { Digest } from '../core/bytes/digest.ts'
import { invalidRequest } from '../core/errors.ts'
import type { HttpProxy } from '../core/http-proxy.ts'
import { readServerOrigin } from '../core/server-origin.ts'
import { homeDirectory } from '../program-files.ts'
import type { DownloadResult } from './download/download-result.ts'
import { type DownloadOptions, downloadArtifact } from './download/download.ts'
import { type FilePool, openFilePool } from './files/file-pool.ts'
import type { TreeDifference } from './verify/differences.ts'
import {
  verifyDirectory,
  type VerifyOptions,
  type VerifyResult,
} from './verify/verify-directory.ts'
import { verifyFile, type VerifyFileOptions, type VerifyFileResult } from './verify/verify-file.ts'
import {
  changeRetention,
  type HolderOptions,
  listArtifacts,
  listHolders,
  type ListOptions,
  removeArtifact,
  removeArtifacts,
  restoreArtifact,
  type RetentionChange,
} from './artifacts.ts'
import { searchPaths, type SearchOptions } from './search.ts'

// Types and helpers that programs need to use the arguments, results and errors of these calls.
export { type Digest, parseDigest, parseWireDigest } from '../core/bytes/digest.ts'
export { type ErrorCode, hasCode, StoreError } from '../core/errors.ts'
export { FileError } from './files/file-error.ts'
export { AnswerError, NetworkError, ProxyRefusal } from './transport/network-error.ts'
export {
  type Attestation,
  AttestationError,
  readAttestation,
  requirePlace,
} from './verify/attestation.ts'
export type { DownloadProgress } from './download/downloading.ts'
export type {
  DownloadOptions,
  DownloadResult,
  HolderOptions,
  HttpProxy,
  ListOptions,
  RetentionChange,
  SearchOptions,
  WireArtifact,
  WireRetainedArtifact,
  WireBulkDeletion,
  WireHolder,
  WireSearchMatch,
}
export type { UploadSource } from './upload/hash-source.ts'
export type { SecretInFile } from './upload/source-secrets.ts'
export type { UploadOptions, UploadProgress, UploadResult } from './upload/upload.ts'
export type { UploadTarget } from './upload/upload.ts'
export type { TreeDifference, VerifyFileOptions, VerifyFileResult, VerifyOptions, VerifyResult }
export type { VerifyProgress } from './verify/verify-directory.ts'

export interface ClientOptions {
  /** Origin of the server. */
  url: string
  /** Null or absent: none, which public projects do not need. */
  token?: string | null | undefined
  /** Directory of the caches of known trees; null disables caching. Default:
   *  `$HOME/.cache/trove`; no caching without a home directory. */
  cacheDir?: string | null
  /** The HTTP proxy to use; null or absent: none, whatever the environment says. */
  proxy?: HttpProxy | null
  /** Longest silence before a request counts as failed. Default: 5 minutes. */
  idleMs?: number | undefined
  /** How long requests are repeated while the server is unreachable, restarting or overloaded,
   *  counted from its last response. Default: 0, which still means a few attempts. */
  retryMs?: number | undefined
  /** Called with what fails when `retryMs` begins to count, and then at most every half minute. */
  onOutage?: ((failure: string) => void) | undefined
}

/** Every call that asks the server can fail with NetworkError, AnswerError or a StoreError with any
 *  code of the server, and an aborted call with the reason of its signal. Each call lists its other
 *  errors, and the codes that are its own. */
export interface Client {
  readonly server: ServerAccess
  /** Uploads a tree; an artifact is never made from a part of it. A repeated upload of the same
   *  tree by the same job and under the same name returns the first one's artifact. Errors:
   *  no_files (nothing matches), unsafe_path, unsupported_entry, too_large, name_taken, forbidden,
   *  quota_exceeded, storage_full, FileError. */
  upload(options: UploadOptions): Promise<UploadResult>
  /** Makes a directory match an artifact; the next call continues an interrupted one. Errors:
   *  artifact_not_found, artifact_expired, artifact_deleted, invalid_request (a glob, or `delete`
   *  of a partial download), unsafe_path, blob_damaged, digest_mismatch, FileError. */
  download(options: DownloadOptions): Promise<DownloadResult>
  /** Compares a directory with an artifact, or with an attestation, which needs no server; reads
   *  every file. Errors: those of `download` except blob_damaged, and no_files (no path matches);
   *  FileError only for the directory itself, since a file that cannot be read is a difference. */
  verify(options: VerifyOptions): Promise<VerifyResult>
  /** Compares a file with the zip of an artifact, with the single file of a raw artifact, or
   *  with every file of an attestation, which needs no server. Errors: not_found (the digest of the
   *  zip is not known), FileError. */
  verifyFile(options: VerifyFileOptions): Promise<VerifyFileResult>
  /** Yields matching artifacts, fetching pages as needed. Errors: not_found (the project),
   *  too_large (the token is for too many projects at once: name one). */
  list(options: ListOptions): AsyncGenerator<WireArtifact, void, undefined>
  /** Yields live artifacts that hold a file with this digest, newest first. Errors: those of
   *  `list`; forbidden (the token reads only one run). */
  holders(digest: Digest, options?: HolderOptions): AsyncGenerator<WireHolder, void, undefined>
  /** Yields entries of live artifacts whose paths match: newest artifact first, and in path order
   *  within an artifact. Errors: those of `list`; invalid_request (a glob), too_large (also all
   *  globs together). */
  search(options: SearchOptions): AsyncGenerator<WireSearchMatch, void, undefined>
  /** Deletes an artifact; a no-op when it is already deleted. Errors: artifact_not_found,
   *  artifact_expired, forbidden. */
  remove(artifactId: number, signal?: AbortSignal): Promise<void>
  /** Deletes all of them (1 to 10,000) or none, or with `dryRun` nothing. Reports the bytes that
   *  this frees on disk; bytes that several of them share count once. Errors: artifact_not_found
   *  (also when one has expired or is deleted), forbidden, invalid_request (the number of ids). */
  removeAll(
    artifactIds: readonly number[],
    options?: { dryRun?: boolean; signal?: AbortSignal },
  ): Promise<WireBulkDeletion>
  /** Undoes a deletion, while the undo period lasts (`undoUntil` of the deletion). Errors:
   *  artifact_not_found, artifact_deleted (too late), artifact_expired, name_taken, forbidden. */
  restore(artifactId: number, signal?: AbortSignal): Promise<WireArtifact>
  /** Pins an artifact, or changes when it expires. Errors: artifact_not_found, artifact_expired,
   *  artifact_deleted, forbidden, invalid_request (no change, or both ways to give an expiry). */
  retain(
    artifactId: number,
    change: RetentionChange,
    signal?: AbortSignal,
  ): Promise<WireRetainedArtifact>
}

/** Errors: invalid_request, when `url` is not an origin. */
export function createClient({
  url,
  token = null,
  cacheDir,
  proxy = null,
  idleMs,
  retryMs = 0,
  onOutage,
}: ClientOptions): Client {
  const { origin, fault } = readServerOrigin(url)
  if (origin === undefined || fault !== undefined) throw invalidRequest('url', `url ${fault}`)
  const patience = createPatience(retryMs, onOutage)
  const server: ServerAccess = { url: origin, token, proxy, idleMs, patience }
  const caches = cacheDir === undefined ? defaultCacheDir() : cacheDir
  return {
    server,
    upload: (options) =>
      inOneCall(options, (pool, signal) =>
        uploadArtifact(server, pool, caches, { ...options, signal }),
      ),
    download: (options) =>
      inOneCall(options, (pool, signal) =>
        downloadArtifact(server, pool, { ...options, signal, cacheDir: caches }),
      ),
    verify: (options) =>
      inOneCall(options, (pool, signal) => verifyDirectory(server, pool, { ...options, signal })),
    verifyFile: (options) => verifyFile(server, options),
    list: (options) => listArtifacts(server, options),
    holders: (digest, options = {}) => listHolders(server, digest, options),
    search: (options) => searchPaths(server, options),
    remove: (artifactId, signal) => removeArtifact(server, artifactId, signal),
    removeAll: (artifactIds, options = {}) => removeArtifacts(server, artifactIds, options),
    restore: (artifactId, signal) => restoreArtifact(server, artifactId, signal),
    retain: (artifactId, change, signal) => changeRetention(server, artifactId, change, signal),
  }
}

function defaultCacheDir(): string | null {
  const home = homeDirectory()
  return home === null ? null : join(home, '.cache', 'trove')
}

/** Runs `work` with a pool of worker threads and a signal for this call alone, which ends what
 *  `work` does not wait for. A program may pass one signal to all its calls; on Node 20 each
 *  `AbortSignal.any` on it would leak memory until that signal is collected. */
async function inOneCall<T>(
  { jobs, signal }: { jobs?: number | undefined; signal?: AbortSignal },
  work: (pool: FilePool, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const pool = openFilePool(jobs ?? null)
  const call = new AbortController()
  const abort = (): void => call.abort(signal?.reason)
  if (signal !== undefined) {
    setMaxListeners(0, signal)
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
  }
  try {
    return await work(pool, call.signal)
  } finally {
    signal?.removeEventListener('abort', abort)
    call.abort()
    await pool.close()
  }
}
