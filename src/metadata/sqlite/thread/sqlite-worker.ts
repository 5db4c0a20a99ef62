/** The metadata port on a thread of its own, so that no statement ever blocks the event loop
 *  that serves requests. A call is a method name and arguments; the answer carries the value or
 *  the error. */
import { startThread } from '../../../program-files.ts'
import { createThreadClient } from '../../../worker-thread.ts'
import type { Metadata, Quota } from '../../metadata.ts'

type Method = Exclude<keyof Metadata, 'close'>

export interface MetadataCall {
  method: Method
  args: unknown[]
}

/** The worker holds one manifest page or one batch of rows per call; SQLite's cache is outside
 *  this heap. */
const heapMiB = 96

/** Every method of the port. The record type turns a missing one into a compile error. */
const methods: Record<Method, true> = {
  ensureProject: true,
  findProject: true,
  listProjects: true,
  setProjectPolicy: true,
  setKeepLatest: true,
  ensureRun: true,
  findRun: true,
  findRunOfJob: true,
  listRuns: true,
  purgeRuns: true,
  appendRunEvents: true,
  findRunRecord: true,
  listRunProgress: true,
  readLogPage: true,
  listAnnotations: true,
  readSummaryPage: true,
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
  claimSentBlobs: true,
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
  readZipPages: true,
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
  removeArtifacts: true,
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
  restoreArtifacts: true,
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
  addToken: true,
  findToken: true,
  listTokens: true,
  purgeTokens: true,
  noteSignIn: true,
  listPeople: true,
  purgePeople: true,
  recordAct: true,
  listActs: true,
  purgeActs: true,
  listUnscanned: true,
  readScans: true,
  recordScans: true,
  recordSecrets: true,
  listSecrets: true,
  listDismissed: true,
  dismissSecrets: true,
  figures: true,
  projectFigures: true,
}

/** Opens the database at `path` on a new thread; resolves once it is open. When the thread dies,
 *  every call in flight and every later one fails, and so does the process unless `onDeath`
 *  handles the error. */
export async function openMetadataWorker(options: {
  path: string
  quota?: Quota
  openUploadsMax?: number
  sharedLog?: SharedArrayBuffer
  onDeath?: (error: Error) => void
}): Promise<Metadata> {
  const { path, quota, openUploadsMax, sharedLog, onDeath = throwLater } = options
  const worker = startThread('metadata/sqlite/thread/sqlite-thread.ts', {
    name: 'metadata',
    workerData: { path, quota, openUploadsMax, sharedLog },
    // A young generation of this size keeps garbage of large listings from piling up.
    resourceLimits: { maxOldGenerationSizeMb: heapMiB, maxYoungGenerationSizeMb: 16 },
  })
  const thread = createThreadClient<MetadataCall, unknown>(worker, 'metadata')
  await thread.opened
  void thread.died.then((cause) => onDeath(new Error('the metadata thread died', { cause })))
  const port = Object.fromEntries(
    Object.keys(methods).map((name) => {
      const method = name as Method
      return [method, async (...args: unknown[]) => await thread.request({ method, args })]
    }),
  ) as unknown as Omit<Metadata, 'close'>
  return { ...port, close: thread.close }
}

function throwLater(error: Error): void {
  // A server without its metadata can do nothing right, so the error must be uncaught.
  setImmediate(() => {
    throw error
  })
}
