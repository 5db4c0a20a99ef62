/** The client library: what programs (and the `trove` command) do with a server. Each call stands for itself; the threads
 *  that work on files live as long as one call. */
import type {
  WireArtifact,
  WireArtifactDetail,
  WireBulkDeletion,
  WireHolder,
  WireSearchMatch,
} from '../api/messages.ts'
import { setMaxListeners } from 'node:events'
import { join } from 'node:path'
import type { ServerAccess } from './transport/http.ts'
import { uploadArtifact, type UploadOptions, type UploadResult } from './upload/upload.ts'
import type { Digest } from '../core/digest.ts'
import type { HttpProxy } from '../core/http-proxy.ts'
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

// Of what a call gives, takes or fails with, what programs need besides.
export { type Digest, parseDigest, parseWireDigest } from '../core/digest.ts'
export { type ErrorCode, hasCode, StoreError } from '../core/errors.ts'
export { FileError } from './files/file-error.ts'
export { AnswerError, NetworkError } from './transport/network-error.ts'
export {
  type Attestation,
  AttestationError,
  readAttestation,
  requirePlace,
} from './verify/attestation.ts'
export { ProxyRefusal } from './transport/proxy-error.ts'
export type { DownloadProgress } from './download/downloading.ts'
export type {
  DownloadOptions,
  DownloadResult,
  HolderOptions,
  ListOptions,
  RetentionChange,
  SearchOptions,
  WireArtifact,
  WireArtifactDetail,
  WireBulkDeletion,
  WireHolder,
  WireSearchMatch,
}
export type { UploadSource } from './upload/hash-source.ts'
export type { SecretInFile } from './upload/look-for-secrets.ts'
export type { UploadOptions, UploadProgress, UploadResult } from './upload/upload.ts'
export type { TreeDifference, VerifyFileOptions, VerifyFileResult, VerifyOptions, VerifyResult }

export interface ClientOptions {
  /** Origin of the server, without a trailing slash. */
  url: string
  token: string | null
  /** Where lies what is remembered of directories; null remembers nothing. Default: `$HOME/.cache/trove`, if there is one. */
  cacheDir?: string | null
  /** The HTTP proxy to go through; null or absent: none, whatever the environment says. */
  proxy?: HttpProxy | null
  /** How long a request may be silent before it counts as failed. Default: 5 minutes. */
  idleMs?: number | undefined
}

export interface Client {
  readonly server: ServerAccess
  /** Uploads a tree. Errors: no_files (nothing matches), FileError, NetworkError, AnswerError, ProxyRefusal,
   *  and the server's codes. */
  upload(options: UploadOptions): Promise<UploadResult>
  /** Brings a directory to what an artifact holds. Errors: FileError, NetworkError, AnswerError, ProxyRefusal,
   *  digest_mismatch, the server's. */
  download(options: DownloadOptions): Promise<DownloadResult>
  /** Compares a directory with an artifact, or with what is attested of one: every file is read. Errors: FileError, no_files (no
   *  path matches); of what is not attested NetworkError, AnswerError, ProxyRefusal, digest_mismatch, the server's. */
  verify(options: VerifyOptions): Promise<VerifyResult>
  /** Compares a file with the zip of an artifact, or with the file that one is; or with all that is attested of one. Errors:
   *  FileError; of what is not attested not_found (the digest of the zip is not known), NetworkError, AnswerError, ProxyRefusal,
   *  the server's. */
  verifyFile(options: VerifyFileOptions): Promise<VerifyFileResult>
  /** Artifacts that match, in pages behind the scenes. */
  list(options: ListOptions): AsyncGenerator<WireArtifact, void, undefined>
  /** Live artifacts that hold a file of this digest, the newest first. */
  holders(digest: Digest, options?: HolderOptions): AsyncGenerator<WireHolder, void, undefined>
  /** Entries of live artifacts whose paths match, in the newest artifact first. */
  search(options: SearchOptions): AsyncGenerator<WireSearchMatch, void, undefined>
  /** Deletes an artifact; one that is deleted already stays so. */
  remove(artifactId: number, signal?: AbortSignal): Promise<void>
  /** Deletes all of them or none; says what comes back to the disk. */
  removeAll(
    artifactIds: readonly number[],
    options?: { dryRun?: boolean; signal?: AbortSignal },
  ): Promise<WireBulkDeletion>
  /** Takes a delete back while that can be done. */
  restore(artifactId: number, signal?: AbortSignal): Promise<WireArtifact>
  /** Keeps an artifact for ever, or changes when it expires. */
  retain(
    artifactId: number,
    change: RetentionChange,
    signal?: AbortSignal,
  ): Promise<WireArtifactDetail>
}

export function createClient({
  url,
  token,
  cacheDir,
  proxy = null,
  idleMs,
}: ClientOptions): Client {
  const server: ServerAccess = { url, token, proxy, idleMs }
  const caches = cacheDir === undefined ? defaultCacheDir() : cacheDir
  return {
    server,
    upload: async (options) =>
      await inOneCall(options, (pool, signal) =>
        uploadArtifact(server, pool, caches, { ...options, signal }),
      ),
    download: async (options) =>
      await inOneCall(options, (pool, signal) =>
        downloadArtifact(server, pool, { ...options, signal, cacheDir: caches }),
      ),
    verify: async (options) =>
      await inOneCall(options, (pool, signal) =>
        verifyDirectory(server, pool, { ...options, signal }),
      ),
    verifyFile: async (options) => await verifyFile(server, options),
    list: (options) => listArtifacts(server, options),
    holders: (digest, options = {}) => listHolders(server, digest, options),
    search: (options) => searchPaths(server, options),
    remove: async (artifactId, signal) => {
      await removeArtifact(server, artifactId, signal)
    },
    removeAll: async (artifactIds, options = {}) =>
      await removeArtifacts(server, artifactIds, options),
    restore: async (artifactId, signal) => await restoreArtifact(server, artifactId, signal),
    retain: async (artifactId, change, signal) =>
      await changeRetention(server, artifactId, change, signal),
  }
}

function defaultCacheDir(): string | null {
  const home = homeDirectory()
  return home === null ? null : join(home, '.cache', 'trove')
}

/** With threads and a signal that end with it. A program may give one signal to all its calls, in which every `AbortSignal.any`
 *  leaves something behind for as long as it lives (Node 20). */
async function inOneCall<T>(
  { jobs, signal }: { jobs?: number; signal?: AbortSignal },
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
    await pool.close()
  }
}
