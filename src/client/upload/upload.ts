/** Uploads a tree (the server's side is in api/negotiation.ts):
 *
 *    1. Walk and hash in parallel; files that the stat cache knows are only checked by their stats.
 *       If that takes long, ask meanwhile whether the upload would be refused.
 *    2. Offer the tree's digest. If the project has the tree, the upload is done.
 *    3. Offer the manifest, or its changes from the last tree. The response says which files are
 *       missing.
 *    4. Send what is missing, in parallel: small files whole; large files are cut, and only their
 *       missing parts are sent.
 *    5. Commit.
 *
 *  A network failure loses only what was in flight: the steps from 2 on are repeated with what is
 *  missing then. A process that dies loses no more than that, because the same upload finds its
 *  session again. */
import type { WireArtifact } from '../../api/messages.ts'
import type { CommitAnswer, Offer } from '../../api/negotiation-messages.ts'
import { formatWireDigest } from '../../core/bytes/digest.ts'
import { hasCode, storeError } from '../../core/errors.ts'
import type { RunFacts } from '../../core/run/run.ts'
import type { FilePool } from '../files/file-pool.ts'
import { defaultCompressionLevel } from '../files/file-tasks.ts'
import { connectEarly } from '../transport/agents.ts'
import type { ServerAccess } from '../transport/http.ts'
import { untilThrough } from '../transport/retry.ts'
import { hashSource, type HashProgress, type UploadSource } from './hash-source.ts'
import type { HashedTree } from './hashed-tree.ts'
import { largeUnits, refusedCommit } from './large-units.ts'
import type { SecretInFile } from './source-secrets.ts'
import { unlessRefused } from './unless-refused.ts'
import { withoutDismissed } from './without-dismissed.ts'
import { sendUnits } from './send-units.ts'
import type { SourceChanges } from './source-changes.ts'
import { planSmall, type SendUnit, splitMissing } from './upload-plan.ts'
import {
  commit,
  isPassing,
  offerChanges,
  offerManifest,
  offerTimes,
  offerTree,
  type UploadSession,
} from './upload-session.ts'

/** Destination of an upload; absent fields come from the token or the server's defaults.
 *  `retentionDays` is a whole number; 0 means the project's default. */
export type UploadTarget = Pick<
  Offer,
  'project' | 'run' | 'attempt' | 'job' | 'name' | 'retentionDays' | 'overwrite' | keyof RunFacts
>

export interface UploadOptions extends UploadTarget {
  source: UploadSource
  /** Deflate level, 0 to 9. */
  compressionLevel?: number | undefined
  /** Worker threads that read, hash and deflate; one per processor by default. */
  jobs?: number | undefined
  signal?: AbortSignal
  onProgress?(progress: UploadProgress): void
  /** Called with each failure that is about to be retried. */
  onRetry?(failure: unknown): void
  /** Called before anything is sent, if files whose purpose is to hold credentials contain any
   *  that the project has not dismissed. `failure`: why the server did not say which are dismissed;
   *  then all are given. An error that it throws ends the upload. */
  onSecrets?(found: readonly SecretInFile[], failure: Error | null): void
}

export interface UploadProgress extends HashProgress {
  phase: 'hashing' | 'sending' | 'finishing'
  /** Content bytes of all files; 0 until they are hashed. */
  totalBytes: number
  /** Content bytes that have been sent or need not be. */
  doneBytes: number
  /** Bytes of request bodies. */
  sentBytes: number
}

export interface UploadResult {
  artifact: WireArtifact
  /** False when the same job had already uploaded the same tree under this name. */
  created: boolean
  files: number
  logicalBytes: number
  sentBytes: number
  /** Content bytes that were not sent, because the project had them or the tree contains them
   *  more than once. */
  reusedBytes: number
}

/** The state of an upload after its tree has been hashed. */
interface Upload {
  server: ServerAccess
  pool: FilePool
  tree: HashedTree
  target: UploadTarget
  /** Changes from the last tree; null once the server turns out not to have that tree, or when
   *  there are none. */
  changes: SourceChanges | null
  /** Resolves when the tree is in the stat cache, where that does not wait for the commit. */
  remembering?: Promise<void>
  level: number
  signal: AbortSignal
  progress: UploadProgress
  /** Content bytes sent, including those sent again. */
  contentBytes: number
  reportProgress(change: Partial<UploadProgress>): void
}

/** Errors: no_files (nothing matches), FileError, NetworkError, AnswerError, and the
 *  server's: name_taken, too_large, storage_full, … */
export async function uploadArtifact(
  server: ServerAccess,
  pool: FilePool,
  cacheDir: string | null,
  options: UploadOptions & { signal: AbortSignal },
): Promise<UploadResult> {
  const {
    source,
    compressionLevel,
    jobs: _jobs,
    signal,
    onProgress,
    onRetry,
    onSecrets,
    ...target
  } = options
  const progress: UploadProgress = {
    phase: 'hashing',
    files: 0,
    hashedFiles: 0,
    hashedBytes: 0,
    totalBytes: 0,
    doneBytes: 0,
    sentBytes: 0,
  }
  const reportProgress = (change: Partial<UploadProgress>): void => {
    onProgress?.(Object.assign(progress, change))
  }
  // For the offer.
  connectEarly(server)
  const wantsSecrets = onSecrets !== undefined
  const hashing = { cacheDir, reportProgress, wantsSecrets }
  const { tree, secrets } = await unlessRefused(
    { server, target, signal },
    async (unrefused) => await hashSource(pool, source, { ...hashing, signal: unrefused }),
  )
  const { fileCount: files, logicalBytes, entryCount } = tree.summary
  if (entryCount === 0) throw noFiles(source.kind === 'patterns' ? source.patterns : [])
  const open = await withoutDismissed(server, tree, { project: target.project, secrets, signal })
  if (open.found.length > 0) onSecrets?.(open.found, open.failure)
  reportProgress({ phase: 'sending', totalBytes: logicalBytes })
  const level = compressionLevel ?? defaultCompressionLevel
  const changes = tree.changes()
  const sending = { server, pool, tree, target, changes, level, signal, progress, reportProgress }
  const upload: Upload = { ...sending, contentBytes: 0 }
  const { artifact, created } = await untilThrough(
    async (onHeld) => await sendTree(upload, onHeld),
    {
      isPassing,
      retryMs: server.patience?.leftMs,
      signal,
      onRetry: (failure) => {
        // Applying the changes may not have produced the tree; the whole manifest will.
        if (hasCode(failure, 'upload_incomplete') && failure.details.what === 'manifest')
          upload.changes = null
        onRetry?.(failure)
      },
    },
  )
  const reusedBytes = Math.max(0, logicalBytes - upload.contentBytes)
  return { artifact, created, files, logicalBytes, sentBytes: progress.sentBytes, reusedBytes }
}

export function noFiles(patterns: readonly string[]): Error {
  const message =
    patterns.length === 0 ? 'no files to upload' : `no files match ${patterns.join(' ')}`
  return storeError('no_files', message, { patterns: [...patterns] })
}

/** One attempt; none of its requests goes on when it has failed. `onHeld` is called with content
 *  bytes that the server turns out to have. */
async function sendTree(upload: Upload, onHeld: (bytes: number) => void): Promise<CommitAnswer> {
  const { server, tree, progress, reportProgress } = upload
  const over = new AbortController()
  const signal = AbortSignal.any([upload.signal, over.signal])
  try {
    const isBaseKept = isBaseWorthKeeping(upload)
    const onSent = (bytes: number): void => {
      progress.sentBytes += bytes
    }
    const offering = offerTree(server, offerOf(upload), { signal, onSent })
    // A rejection is handled below.
    offering.catch(() => {})
    // For the times, which are sent along with the manifest.
    connectEarly(server)
    // Written while the server works; if the server rejects the upload, nothing needs to be read
    // again.
    if (!isBaseKept) await (upload.remembering ??= tree.saveStatCache())
    const answer = await offering
    if (answer.state === 'done') {
      if (isBaseKept) await tree.saveStatCache()
      reportProgress({ doneBytes: progress.totalBytes })
      return answer
    }
    const { session } = answer
    const [missing] = await Promise.all([
      findMissing(upload, session),
      offerTimes(session, tree.timesPages),
    ])
    await sendMissing(upload, session, missing, onHeld)
    reportProgress({ phase: 'finishing' })
    const committing = commit(session).catch((error: unknown) => {
      throw refusedCommit(tree, error)
    })
    if (isBaseKept) await tree.saveStatCache(committing)
    return await committing
  } finally {
    over.abort()
  }
}

function offerOf({ tree, target, changes }: Upload): Offer {
  const { treeDigest, entryCount, fileCount, logicalBytes } = tree.summary
  return {
    ...target,
    treeDigest: formatWireDigest(treeDigest),
    ...(changes !== null && { base: formatWireDigest(changes.base) }),
    entryCount,
    fileCount,
    logicalBytes,
    timesDigest: formatWireDigest(tree.timesDigest),
  }
}

/** Upper bound on content to read again in order to keep a tree that the server has: about a
 *  second of reading. */
const readAgainBytesMax = 256 * 1024 * 1024

/** Whether the stat cache keeps the previous tree until this one is committed. An upload that is
 *  cut short can then offer changes again, but has to read the changed files again. */
function isBaseWorthKeeping({ tree, changes }: Upload): boolean {
  return changes !== null && contentBytesOf(tree, changes.ordinals) <= readAgainBytesMax
}

function contentBytesOf(tree: HashedTree, ordinals: readonly number[]): number {
  return ordinals.reduce((sum, ordinal) => sum + tree.sizeBytes(ordinal), 0)
}

/** Returns the ordinals of entries whose content the server lacks. */
async function findMissing(upload: Upload, session: UploadSession): Promise<number[]> {
  if (session.needs === 'times') return []
  const { tree, changes } = upload
  if (session.needs === 'changes' && changes !== null) {
    try {
      return await offerChanges(session, changes)
    } catch (error) {
      if (!hasCode(error, 'not_found')) throw error
      upload.changes = null
    }
  }
  return await offerManifest(session, tree)
}

async function sendMissing(
  upload: Upload,
  session: UploadSession,
  missing: readonly number[],
  onHeld: (bytes: number) => void,
): Promise<void> {
  const { pool, tree, level, progress, reportProgress } = upload
  const { small, large } = splitMissing(tree, missing)
  const missingBytes = contentBytesOf(tree, small) + contentBytesOf(tree, large)
  const heldBytes = progress.totalBytes - missingBytes
  onHeld(heldBytes)
  reportProgress({ doneBytes: heldBytes })
  const parts = largeUnits({ session, pool, tree, level }, large, (bytes) => {
    onHeld(bytes)
    reportProgress({ doneBytes: progress.doneBytes + bytes })
  })
  const units = smallThenLarge(planSmall(tree, small, level), parts)
  await sendUnits(session, pool, units, (bytes) => {
    upload.contentBytes += bytes
    reportProgress({ doneBytes: progress.doneBytes + bytes })
  })
}

/** Small files can be sent at once, so the server has work while large ones are being cut. */
async function* smallThenLarge(
  small: Iterable<SendUnit>,
  large: AsyncIterable<SendUnit>,
): AsyncGenerator<SendUnit> {
  yield* small
  yield* large
}
