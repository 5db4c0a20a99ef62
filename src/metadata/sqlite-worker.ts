/** The metadata port served by a thread of its own, so that no statement ever holds up the event loop that answers
 *  requests. A call is its method's name and arguments; the answer carries the value or the error. */
import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { type ErrorMessage, decodeError } from '../core/errors.ts'
import { startThread } from '../program-files.ts'
import type { Metadata, Quota } from './metadata.ts'

export interface MetadataCall {
  id: number
  method: keyof Metadata
  args: unknown[]
}

/** `failed` is an expected failure; `broken` anything else that was thrown. */
export type MetadataAnswer =
  | { id: number; value: unknown }
  | { id: number; failed: ErrorMessage }
  | { id: number; broken: { name: string; message: string; stack: string | undefined } }

/** Sent once: that the database is open, or the expected failure that keeps it closed. Any other error ends the thread. */
export type OpeningMessage = typeof readyMessage | { failed: ErrorMessage }
export const readyMessage = 'ready'

/** The worker holds one page of a manifest or one batch of rows per call, and SQLite's cache is outside this heap. */
const heapMiB = 96

/** Every method of the port. The record type makes a forgotten one an error. */
const methods: Record<keyof Metadata, true> = {
  ensureProject: true,
  findProject: true,
  listProjects: true,
  setProjectPolicy: true,
  setKeepLatest: true,
  ensureRun: true,
  findRun: true,
  listRuns: true,
  purgeRuns: true,
  appendRunEvents: true,
  findRunRecord: true,
  readLogPage: true,
  removeRunRecords: true,
  removeRunJob: true,
  purgeRunRecords: true,
  createUpload: true,
  findUpload: true,
  findUploadByName: true,
  assembleUpload: true,
  listStaleUploads: true,
  listLiveUploads: true,
  removeUpload: true,
  openSession: true,
  renewSession: true,
  openOfferSession: true,
  findSession: true,
  sessionPackBytes: true,
  claimReadableBlobs: true,
  readJoiningParts: true,
  readPartDigests: true,
  stageOffered: true,
  readOffered: true,
  dropOffered: true,
  findKnownTree: true,
  leaseKnownTree: true,
  readLeasedPage: true,
  readTimesDigest: true,
  stageTimesOf: true,
  claimStreams: true,
  claimBlobs: true,
  addPack: true,
  addComposite: true,
  stageManifest: true,
  stageManifestPage: true,
  stageTimes: true,
  readStagedTimes: true,
  stageSkeletonPage: true,
  commitArtifact: true,
  abortSession: true,
  listSessions: true,
  findArtifact: true,
  findArtifacts: true,
  listArtifacts: true,
  findNewest: true,
  readEntryPage: true,
  readEntries: true,
  listDirectory: true,
  readTreePage: true,
  readTreeTimes: true,
  readTreeChanges: true,
  readDifferences: true,
  searchTree: true,
  readStagedEntryPage: true,
  findEntry: true,
  findEntryPage: true,
  readParts: true,
  readSkeletonPage: true,
  findSkeletonPage: true,
  readStreams: true,
  findBlob: true,
  setRetention: true,
  setRetentionOfMany: true,
  removeArtifact: true,
  removeArtifacts: true,
  listExpired: true,
  markDamaged: true,
  listUnverifiedPacks: true,
  judgeCopies: true,
  listHealings: true,
  healBlob: true,
  recordVerification: true,
  reconcileRollups: true,
  copyTo: true,
  bornAt: true,
  believedTime: true,
  noteBelievedTime: true,
  listPacks: true,
  claimDeadBlobs: true,
  removeDeadBlobs: true,
  claimDeadPacks: true,
  listDeadPacks: true,
  expireArtifacts: true,
  restoreArtifact: true,
  releaseRemoved: true,
  clearRemoved: true,
  purgeTombstones: true,
  measureRemoval: true,
  listWastefulPacks: true,
  readPackCopies: true,
  moveCopies: true,
  returnPages: true,
  openReadLeases: true,
  renewReadLeases: true,
  closeReadLeases: true,
  listReadLeases: true,
  removePackRow: true,
  hasPack: true,
  sumArtifacts: true,
  sumRuns: true,
  listRunFacts: true,
  listHolders: true,
  listUploadDays: true,
  recordUsage: true,
  listUsage: true,
  revokeToken: true,
  revokeProjectTokens: true,
  listRevocations: true,
  purgeRevocations: true,
  figures: true,
  projectFigures: true,
  close: true,
}

interface Waiting {
  resolve: (value: unknown) => void
  reject: (error: Error) => void
}

/** Opens the database at `path` on a new thread; resolves once it is open. When the thread dies, every call under way
 *  and every later one fails, and so does the process unless `onDeath` takes the error. */
export async function openMetadataWorker(options: {
  path: string
  quota?: Quota
  sharedLog?: SharedArrayBuffer
  onDeath?: (error: Error) => void
}): Promise<Metadata> {
  const { path, quota, sharedLog, onDeath = throwLater } = options
  const worker = startThread('metadata/sqlite-thread.ts', {
    name: 'metadata',
    workerData: { path, quota, sharedLog },
    // A young generation of this size keeps garbage of large listings from piling up.
    resourceLimits: { maxOldGenerationSizeMb: heapMiB, maxYoungGenerationSizeMb: 16 },
  })
  // Rejects when the thread fails before it is ready.
  const [opening] = (await once(worker, 'message')) as [OpeningMessage]
  if (opening !== readyMessage) throw decodeError(opening.failed)
  return serveThrough(worker, onDeath)
}

function serveThrough(worker: Worker, onDeath: (error: Error) => void): Metadata {
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let death: Error | undefined
  let closing: Promise<void> | undefined

  const die = (error: Error): void => {
    if (death) return
    death = error
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
    if (!closing) onDeath(error)
  }
  worker.on('message', (answer: MetadataAnswer) => {
    const call = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (!call) return
    if ('value' in answer) call.resolve(answer.value)
    else if ('failed' in answer) call.reject(decodeError(answer.failed))
    else call.reject(rebuildError(answer.broken))
  })
  worker.on('error', (cause) => {
    die(new Error('the metadata thread died', { cause }))
  })
  // Listened for from the start: the last answer and the end of the thread can come in one turn.
  const exited = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve())
  })
  worker.on('exit', (code) => {
    die(new Error(closing ? 'the metadata is closed' : `the metadata thread ended with ${code}`))
  })

  const call = (method: keyof Metadata, args: unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (death) return reject(death)
      const id = ++lastId
      waiting.set(id, { resolve, reject })
      const message: MetadataCall = { id, method, args }
      worker.postMessage(message)
    })

  const port = Object.fromEntries(
    Object.keys(methods).map((method) => [
      method,
      (...args: unknown[]) => call(method as keyof Metadata, args),
    ]),
  ) as unknown as Metadata
  return {
    ...port,
    close: () => (closing ??= call('close', []).then(() => exited)),
  }
}

function throwLater(error: Error): void {
  // Without its metadata the server can do nothing right: not to be missed, and not to be caught.
  setImmediate(() => {
    throw error
  })
}

function rebuildError(broken: { name: string; message: string; stack: string | undefined }): Error {
  const error = new Error(broken.message)
  error.name = broken.name
  if (broken.stack !== undefined) error.stack = broken.stack
  return error
}
