/** The client library: what programs (and the `trove` command) do with a server. Each call stands for itself; the threads
 *  that work on files live as long as one call. */
import type { WireArtifact, WireBulkDeletion, WireHolder } from '../api/messages.ts'
import { setMaxListeners } from 'node:events'
import { join } from 'node:path'
import { openFilePool } from './files/file-pool.ts'
import type { HashedTree } from './upload/hashed-tree.ts'
import type { ServerAccess } from './transport/http.ts'
import type { SourceFile } from './upload/source-tree.ts'
import { cacheFilePath } from './cache/cache-files.ts'
import { openTreeHasher, type TreeHasher } from './upload/tree-hasher.ts'
import { sendTree, type UploadTarget } from './upload/upload.ts'
import { walkSources } from './upload/walk.ts'
import { listSources } from './upload/list-sources.ts'
import type { Digest } from '../core/digest.ts'
import { storeError } from '../core/errors.ts'
import type { HttpProxy } from '../core/http-proxy.ts'
import { homeDirectory } from '../program-files.ts'
import type { DownloadResult } from './download/download-result.ts'
import { type DownloadOptions, downloadArtifact } from './download/download.ts'
import type { FilePool } from './files/file-pool.ts'
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

// Of what a call gives, takes or fails with, what programs need besides.
export { type Digest, parseDigest, parseWireDigest } from '../core/digest.ts'
export { type ErrorCode, hasCode, StoreError } from '../core/errors.ts'
export { FileError } from './files/file-error.ts'
export { AnswerError, NetworkError } from './transport/network-error.ts'
export { ProxyRefusal } from './transport/proxy-error.ts'
export type { DownloadProgress } from './download/downloading.ts'
export type {
  DownloadOptions,
  DownloadResult,
  HolderOptions,
  ListOptions,
  RetentionChange,
  WireArtifact,
  WireBulkDeletion,
  WireHolder,
}
export type { TreeDifference, VerifyFileOptions, VerifyFileResult, VerifyOptions, VerifyResult }

export interface ClientOptions {
  /** Origin of the server, without a trailing slash. */
  url: string
  token: string | null
  /** Where lies what is remembered of directories; null remembers nothing. Default: `$HOME/.cache/trove`, if there is one. */
  cacheDir?: string | null
  /** The HTTP proxy to go through; null or absent: none, whatever the environment says. */
  proxy?: HttpProxy | null
}

/** What to upload: patterns as in `trove upload`, or files that the caller has chosen. */
export type UploadSource =
  | {
      kind: 'patterns'
      patterns: readonly string[]
      /** Absolute directory that relative patterns start from. */
      directory: string
      includeHidden?: boolean
      symlinks?: 'keep' | 'follow'
      /** Globs of entry paths to leave out. */
      exclude?: readonly string[]
    }
  | { kind: 'files'; files: readonly SourceFile[] }

export interface UploadOptions extends UploadTarget {
  source: UploadSource
  /** Of deflate, 0 to 9. */
  compressionLevel?: number
  /** Threads that read, hash and deflate; one for each processor by default. */
  jobs?: number
  signal?: AbortSignal
  onProgress?(progress: UploadProgress): void
  /** Told of what goes wrong and is tried again in a moment. */
  onRetry?(failure: unknown): void
}

export interface UploadProgress {
  phase: 'hashing' | 'sending' | 'finishing'
  /** Files found so far; final once `isWalked`. */
  files: number
  isWalked: boolean
  hashedFiles: number
  hashedBytes: number
  /** Content bytes of all files; 0 until they are hashed. */
  totalBytes: number
  /** Content bytes that need not be sent, or have been. */
  doneBytes: number
  /** Bytes of request bodies. */
  sentBytes: number
}

export interface UploadResult {
  artifact: WireArtifact
  /** False when the same job had sent the same tree under this name before. */
  created: boolean
  files: number
  logicalBytes: number
  sentBytes: number
  /** Content bytes that were not sent, because the project had them or the tree has them twice. */
  reusedBytes: number
}

export interface Client {
  readonly server: ServerAccess
  /** Uploads a tree. Errors: no_files (nothing matches), FileError, NetworkError, AnswerError, ProxyRefusal,
   *  and the server's codes. */
  upload(options: UploadOptions): Promise<UploadResult>
  /** Brings a directory to what an artifact holds. Errors: FileError, NetworkError, AnswerError, ProxyRefusal,
   *  digest_mismatch, the server's. */
  download(options: DownloadOptions): Promise<DownloadResult>
  /** Compares a directory with an artifact: every file is read. Errors: FileError, no_files (no path matches), NetworkError,
   *  AnswerError, ProxyRefusal, digest_mismatch, the server's. */
  verify(options: VerifyOptions): Promise<VerifyResult>
  /** Compares a file with the zip of an artifact, or with the file that one is. Errors: not_found (the digest of the zip is not
   *  known), FileError, NetworkError, AnswerError, ProxyRefusal, the server's. */
  verifyFile(options: VerifyFileOptions): Promise<VerifyFileResult>
  /** Artifacts that match, in pages behind the scenes. */
  list(options: ListOptions): AsyncGenerator<WireArtifact, void, undefined>
  /** Live artifacts that hold a file of this digest, the newest first. */
  holders(digest: Digest, options?: HolderOptions): AsyncGenerator<WireHolder, void, undefined>
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
  retain(artifactId: number, change: RetentionChange, signal?: AbortSignal): Promise<WireArtifact>
}

/** Deflate of native uploads: level 6 takes a third more time to save 1.4 % (853 MB of npm packages). */
const defaultCompressionLevel = 5

export function createClient({ url, token, cacheDir, proxy = null }: ClientOptions): Client {
  const server: ServerAccess = { url, token, proxy }
  const caches = cacheDir === undefined ? defaultCacheDir() : cacheDir
  return {
    server,
    upload: async (options) =>
      await inOneCall(options, (pool, signal) =>
        upload(server, pool, caches, { ...options, signal }),
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

async function upload(
  server: ServerAccess,
  pool: FilePool,
  cacheDir: string | null,
  options: UploadOptions & { signal: AbortSignal },
): Promise<UploadResult> {
  const { source, compressionLevel, jobs: _jobs, signal, onProgress, onRetry, ...target } = options
  const progress: UploadProgress = {
    phase: 'hashing',
    files: 0,
    isWalked: false,
    hashedFiles: 0,
    hashedBytes: 0,
    totalBytes: 0,
    doneBytes: 0,
    sentBytes: 0,
  }
  const tell = (change: Partial<UploadProgress>): void => {
    onProgress?.(Object.assign(progress, change))
  }
  const tree = await hashSource(pool, source, { cacheDir, signal, tell })
  const { fileCount, logicalBytes, entryCount } = tree.summary
  if (entryCount === 0) {
    throw storeError('no_files', 'no files were found to upload', { patterns: patternsOf(source) })
  }
  tell({ phase: 'sending', totalBytes: logicalBytes })
  const sent = await sendTree(server, pool, tree, target, {
    level: compressionLevel ?? defaultCompressionLevel,
    connections: Math.min(4, Math.max(2, pool.threads)),
    signal,
    onProgress: ({ doneBytes, sentBytes }) => {
      tell({ doneBytes, sentBytes })
    },
    onFinishing: () => {
      tell({ phase: 'finishing' })
    },
    onRetry: (failure) => onRetry?.(failure),
  })
  return { ...sent, files: fileCount, logicalBytes }
}

async function hashSource(
  pool: FilePool,
  source: UploadSource,
  options: {
    cacheDir: string | null
    signal: AbortSignal
    tell(change: Partial<UploadProgress>): void
  },
): Promise<HashedTree> {
  const { cacheDir, signal, tell } = options
  const open = async (isBelowRoot: boolean): Promise<TreeHasher> =>
    await openTreeHasher(pool, {
      cachePath:
        cacheDir === null || !isBelowRoot
          ? null
          : cacheFilePath(cacheDir, 'stat', cacheKey(source)),
      followsLinks: source.kind === 'files' || source.symlinks === 'follow',
      signal,
      onProgress: ({ files, bytes }) => {
        tell({ hashedFiles: files, hashedBytes: bytes })
      },
    })
  if (source.kind === 'files') {
    const tree = listSources(source.files)
    const hasher = await open(tree.isBelowRoot)
    hasher.add(0, tree.count, tree)
    tell({ files: tree.count, isWalked: true })
    return await hasher.finish(tree)
  }
  const hasher = await open(true)
  const tree = await walkSources(source.patterns, {
    directory: source.directory,
    includeHidden: source.includeHidden ?? false,
    symlinks: source.symlinks ?? 'keep',
    exclude: source.exclude ?? [],
    signal,
    onFiles: (from, to, found) => {
      tell({ files: to })
      hasher.add(from, to, found)
    },
  })
  tell({ files: tree.count, isWalked: true })
  return await hasher.finish(tree)
}

function patternsOf(source: UploadSource): string[] {
  return source.kind === 'patterns' ? [...source.patterns] : []
}

/** Trees are told apart by what selects them; two that share a cache would overwrite each other's. */
function cacheKey(source: UploadSource): string {
  if (source.kind === 'files') return JSON.stringify(['files', source.files[0]?.absolutePath ?? ''])
  const { patterns, directory, includeHidden, symlinks, exclude } = source
  return JSON.stringify([
    'patterns',
    directory,
    patterns,
    includeHidden === true,
    symlinks ?? 'keep',
    exclude ?? [],
  ])
}
