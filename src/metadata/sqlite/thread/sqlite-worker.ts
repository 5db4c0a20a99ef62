/** The metadata port on threads of its own, so that no statement ever blocks the event loop that
 *  serves requests. A call is a method name and arguments; the answer carries the value or
 *  the error. */
import { startThread } from '../../../program-files.ts'
import { createThreadClient, type ThreadClient } from '../../../worker-thread.ts'
import type { Metadata } from '../../metadata.ts'
import type { StoreOptions } from '../sqlite.ts'

type Method = Exclude<keyof Metadata, 'close'>

export interface MetadataCall {
  method: Method
  args: unknown[]
}

/** SQLite's cache is outside. A thread holds one manifest page or one batch of rows per call. */
const heapMiB = { old: 96, young: 6 }

/** Which of the server's two threads serves a method. The reader has those that only read and that
 *  clients wait for; what maintenance reads stays in the order of its writes. The record type turns
 *  a missing method into a compile error. */
export const servedBy: Record<Method, 'writer' | 'reader'> = {
  ensureProject: 'writer',
  findProject: 'reader',
  listProjects: 'reader',
  setProjectPolicy: 'writer',
  setKeepLatest: 'writer',
  ensureRun: 'writer',
  findRun: 'reader',
  findRunOfJob: 'reader',
  listRuns: 'reader',
  purgeRuns: 'writer',
  appendRunEvents: 'writer',
  findRunRecord: 'reader',
  listRunProgress: 'reader',
  readLogPage: 'reader',
  listAnnotations: 'reader',
  readSummaryPage: 'reader',
  removeRunRecords: 'writer',
  removeRunJob: 'writer',
  purgeRunRecords: 'writer',
  createUpload: 'writer',
  findUpload: 'reader',
  findUploadByName: 'reader',
  assembleUpload: 'writer',
  listStaleUploads: 'writer',
  listLiveUploads: 'writer',
  removeUpload: 'writer',
  openSession: 'writer',
  renewSession: 'writer',
  openOfferSession: 'writer',
  findSession: 'reader',
  sessionPackBytes: 'writer',
  claimReadableBlobs: 'writer',
  claimSentBlobs: 'writer',
  readJoiningParts: 'reader',
  readPartDigests: 'reader',
  stageOffered: 'writer',
  readOffered: 'writer',
  dropOffered: 'writer',
  findKnownTree: 'reader',
  leaseKnownTree: 'writer',
  readLeasedPage: 'reader',
  readTimesDigest: 'reader',
  stageTimesOf: 'writer',
  claimStreams: 'writer',
  claimBlobs: 'writer',
  addPack: 'writer',
  addComposite: 'writer',
  stageManifest: 'writer',
  stageManifestPage: 'writer',
  stageTimes: 'writer',
  readStagedTimes: 'writer',
  stageSkeletonPage: 'writer',
  commitArtifact: 'writer',
  abortSession: 'writer',
  listSessions: 'writer',
  findArtifact: 'reader',
  findArtifacts: 'reader',
  listArtifacts: 'reader',
  findNewest: 'reader',
  readEntryPage: 'reader',
  readEntries: 'reader',
  listDirectory: 'reader',
  measureDirectory: 'reader',
  readTreePage: 'reader',
  readZipPages: 'reader',
  readTreeTimes: 'reader',
  readTreeChanges: 'reader',
  readDifferences: 'reader',
  searchTree: 'reader',
  readStagedEntryPage: 'writer',
  findEntry: 'reader',
  findEntryPage: 'reader',
  readParts: 'reader',
  readSkeletonPage: 'reader',
  findSkeletonPage: 'reader',
  readStreams: 'reader',
  findBlob: 'reader',
  setRetention: 'writer',
  setRetentionOfMany: 'writer',
  removeArtifacts: 'writer',
  markDamaged: 'writer',
  listUnverifiedPacks: 'writer',
  judgeCopies: 'writer',
  listHealings: 'writer',
  healBlob: 'writer',
  recordVerification: 'writer',
  reconcileRollups: 'writer',
  copyTo: 'writer',
  bornAt: 'writer',
  believedTime: 'writer',
  noteBelievedTime: 'writer',
  listPacks: 'writer',
  claimDeadBlobs: 'writer',
  removeDeadBlobs: 'writer',
  claimDeadPacks: 'writer',
  listDeadPacks: 'writer',
  expireArtifacts: 'writer',
  restoreArtifact: 'writer',
  restoreArtifacts: 'writer',
  releaseRemoved: 'writer',
  clearRemoved: 'writer',
  purgeTombstones: 'writer',
  measureRemoval: 'reader',
  listWastefulPacks: 'writer',
  readPackCopies: 'writer',
  moveCopies: 'writer',
  returnPages: 'writer',
  openReadLeases: 'writer',
  renewReadLeases: 'writer',
  closeReadLeases: 'writer',
  listReadLeases: 'writer',
  removePackRow: 'writer',
  hasPack: 'writer',
  sumArtifacts: 'reader',
  sumRuns: 'reader',
  listRunFacts: 'reader',
  listHolders: 'reader',
  listUploadDays: 'reader',
  recordUsage: 'writer',
  listUsage: 'reader',
  revokeToken: 'writer',
  revokeProjectTokens: 'writer',
  listRevocations: 'reader',
  purgeRevocations: 'writer',
  addToken: 'writer',
  findToken: 'reader',
  listTokens: 'reader',
  purgeTokens: 'writer',
  noteSignIn: 'writer',
  listPeople: 'reader',
  purgePeople: 'writer',
  recordAct: 'writer',
  listActs: 'reader',
  purgeActs: 'writer',
  listUnscanned: 'writer',
  readScans: 'reader',
  recordScans: 'writer',
  recordSecrets: 'writer',
  listSecrets: 'reader',
  listDismissed: 'reader',
  dismissSecrets: 'writer',
  figures: 'reader',
  projectFigures: 'reader',
}

type ThreadOptions = Pick<StoreOptions, 'path' | 'quota' | 'openUploadsMax' | 'sharedLog'> & {
  onDeath?: (error: Error) => void
}

/** Opens the database at `path` on a new thread; resolves once it is open. When the thread dies,
 *  every call in flight and every later one fails, and so does the process unless `onDeath`
 *  handles the error. */
export async function openMetadataWorker(options: ThreadOptions): Promise<Metadata> {
  const thread = await openThread('writer', options)
  return portOf(() => thread, thread.close)
}

/** The same on two threads, for a server: writes, which wait for each other and for the disk, do
 *  not delay what only reads. A read sees every write that was acknowledged before it was asked
 *  for. */
export async function openMetadataThreads(
  options: ThreadOptions & { sharedLog: SharedArrayBuffer },
): Promise<Metadata> {
  const writer = await openThread('writer', options)
  const reader = await openThread('reader', options).catch(async (error: unknown) => {
    await writer.close()
    throw error
  })
  const threads = { writer, reader }
  return portOf(
    (method) => threads[servedBy[method]],
    async () => {
      try {
        await reader.close()
      } finally {
        await writer.close()
      }
    },
  )
}

type MetadataThread = ThreadClient<MetadataCall, unknown>

async function openThread(
  role: 'writer' | 'reader',
  { onDeath = throwLater, ...options }: ThreadOptions,
): Promise<MetadataThread> {
  const isReader = role === 'reader'
  const name = isReader ? 'metadata reader' : 'metadata'
  const worker = startThread('metadata/sqlite/thread/sqlite-thread.ts', {
    name,
    workerData: { ...options, isReader, isCollector: !isReader } satisfies StoreOptions,
    heapMiB,
  })
  const thread = createThreadClient<MetadataCall, unknown>(worker, name)
  await thread.opened
  void thread.died.then((cause) => onDeath(new Error(`the ${name} thread died`, { cause })))
  return thread
}

function portOf(
  threadOf: (method: Method) => MetadataThread,
  close: () => Promise<void>,
): Metadata {
  const port = Object.fromEntries(
    Object.keys(servedBy).map((name) => {
      const method = name as Method
      const thread = threadOf(method)
      return [method, async (...args: unknown[]) => await thread.request({ method, args })]
    }),
  ) as unknown as Omit<Metadata, 'close'>
  return { ...port, close }
}

function throwLater(error: Error): void {
  // A server without its metadata can do nothing right, so the error must be uncaught.
  setImmediate(() => {
    throw error
  })
}
