/** Metadata in a SQLite file, on the calling thread. Several threads may have the same file
 *  open. The methods are implemented in the folders beside this file:
 *
 *    connection/  one thread's connection: migration, transactions, how long work yields to others
 *    uploads/     from a session's first lease to its commit
 *    artifacts/   finding and listing them, their removal and release, who reads them
 *    runs/        runs, and what runners reported about them
 *    trees/       entries of manifests, and differences between two
 *    blobs/       streams, copies and packs; damage and healing
 *    tokens/      which were revoked, which the server minted
 *    audit/       who did what
 *    secrets/     credentials in artifacts
 *    maintenance/ garbage, what it frees, and sums over what is stored */
import { limits } from '../../core/limits.ts'
import type { Metadata, Quota } from '../metadata.ts'
import { createAuditLog, createAuditMethods } from './audit/audit-log.ts'
import { createArtifactMethods, createRetention } from './artifacts/artifacts.ts'
import { createBoundCheck } from './artifacts/bound-check.ts'
import { createCommit } from './uploads/commit.ts'
import { createCopyMoving, createPackListing, createPackRemoval } from './maintenance/compaction.ts'
import { createCompositeAddition } from './blobs/composites.ts'
import { type Connection, type ConnectionOptions, openConnection } from './connection/connection.ts'
import { asReadFailure } from './connection/disk-failure.ts'
import { createDamage } from './blobs/damage.ts'
import { createFigureMethods } from './maintenance/figures.ts'
import { createLatest } from './artifacts/latest.ts'
import { createKnownTrees, createOfferedPages, createOfferSessions } from './uploads/offers.ts'
import { createOverviewMethods } from './artifacts/overview.ts'
import { createPackMethods } from './blobs/packs.ts'
import { createEntryMethods, createSkeletonMethods, createStreamMethods } from './trees/reading.ts'
import { createReadLeaseMethods, createUnwrittenLeases } from './artifacts/read-leases.ts'
import { createRemovalMeasuring } from './maintenance/reclaim.ts'
import {
  createReleasing,
  createRemoving,
  createRestoring,
  createTombstonePurge,
} from './artifacts/release.ts'
import { createRemoval } from './artifacts/removal.ts'
import { createMintedTokenMethods } from './tokens/minted-tokens.ts'
import { createPeopleMethods } from './tokens/people.ts'
import { createRevocationMethods } from './tokens/revocations.ts'
import { createProjectMethods, createProjectRows } from './runs/projects.ts'
import { createRunMethods } from './runs/runs.ts'
import { createRecordReading } from './runs/record-reading.ts'
import { createRunRecordMethods } from './runs/run-records.ts'
import { createSecretMethods } from './secrets/secrets.ts'
import { createClaiming, createSessionMethods } from './uploads/sessions.ts'
import {
  createContentStaging,
  createManifestOpening,
  createPageStaging,
} from './uploads/staging.ts'
import { createBlobClaiming, createBlobRemoval } from './maintenance/sweep.ts'
import { createHealingSearch } from './blobs/healable.ts'
import { createHealing } from './blobs/healing.ts'
import { createReconciliation } from './maintenance/rollups.ts'
import { createBackupMethods } from './maintenance/backup-copy.ts'
import { createStoreTimes } from './maintenance/store-times.ts'
import { createVerificationMethods } from './blobs/verification.ts'
import { createTreeMethods } from './trees/trees.ts'
import { servedBy } from './thread/served-by.ts'
import { createOpenUploadsCheck } from './uploads/open-uploads.ts'
import { createUploadCreation, createUploadLists, createUploadProgress } from './uploads/uploads.ts'
import { createUsageHistoryMethods } from './maintenance/usage-history.ts'

export interface StoreOptions extends ConnectionOptions {
  quota?: Quota | undefined
  /** Limit per project. Setting: TROVE_MAX_OPEN_UPLOADS. */
  openUploadsMax?: number | undefined
  /** False on every thread but the server's metadata thread, which collects the garbage: a lease
   *  that another thread could not write would be unknown to the collector. */
  isCollector?: boolean | undefined
}

const noQuota: Quota = { projectBytes: null, storeBytes: null }

/** Opens the database at `path`, creating or migrating it first where needed. */
export function openSqliteMetadata({
  quota = noQuota,
  openUploadsMax = limits.openUploadsMax,
  isCollector = true,
  ...options
}: StoreOptions): Metadata {
  const connection = openConnection(options)
  const unwritten = createUnwrittenLeases()
  const removal = createRemoval(connection, unwritten)
  const damage = createDamage(connection)
  const latest = createLatest(connection)
  const checkBounds = createBoundCheck(connection, quota)
  const checkOpen = createOpenUploadsCheck(connection, openUploadsMax)
  const audit = createAuditLog(connection)
  const projectRows = createProjectRows(connection)
  const change = { removal, damage, latest, checkBounds, audit }
  const methods: Metadata = {
    ...createProjectMethods(connection, projectRows, { latest, audit }),
    ...createRunMethods(connection, projectRows, latest),
    ...createRunRecordMethods(connection, audit),
    ...createRecordReading(connection),
    createUpload: createUploadCreation(connection, checkOpen),
    ...createUploadProgress(connection),
    ...createUploadLists(connection),
    ...createSessionMethods(connection, removal),
    ...createClaiming(connection),
    ...createOfferSessions(connection, checkOpen),
    ...createOfferedPages(connection),
    ...createKnownTrees(connection),
    ...createPackMethods(connection, damage),
    addComposite: createCompositeAddition(connection),
    ...createManifestOpening(connection),
    stageManifestPage: createPageStaging(connection),
    ...createContentStaging(connection),
    commitArtifact: createCommit(connection, change),
    ...createArtifactMethods(connection),
    ...createRetention(connection, audit),
    ...createEntryMethods(connection),
    ...createStreamMethods(connection),
    ...createSkeletonMethods(connection),
    ...createTreeMethods(connection),
    ...createRemoving(connection, change),
    releaseRemoved: createReleasing(connection, removal),
    clearRemoved: removal.clearRemoved,
    ...createRestoring(connection, change),
    purgeTombstones: createTombstonePurge(connection),
    ...createReadLeaseMethods(connection, unwritten, isCollector),
    measureRemoval: createRemovalMeasuring(connection),
    ...createPackListing(connection),
    moveCopies: createCopyMoving(connection),
    ...createPackRemoval(connection, unwritten),
    returnPages: connection.returnPages,
    markDamaged: damage.markDamaged,
    ...createVerificationMethods(connection, damage),
    listHealings: createHealingSearch(connection),
    healBlob: createHealing(connection, damage),
    reconcileRollups: createReconciliation(connection, options.path),
    ...createBackupMethods(connection, options.path),
    ...createStoreTimes(connection),
    claimDeadBlobs: createBlobClaiming(connection),
    removeDeadBlobs: createBlobRemoval(connection),
    ...createOverviewMethods(connection),
    ...createFigureMethods(connection),
    ...createUsageHistoryMethods(connection),
    ...createRevocationMethods(connection, audit),
    ...createMintedTokenMethods(connection, audit),
    ...createPeopleMethods(connection),
    ...createAuditMethods(connection, audit),
    ...createSecretMethods(connection, audit),
    close: async () => connection.close(),
  }
  return reportingReadFailures(onOneSnapshot(connection, methods, options.isReader))
}

/** Each call of a method that only reads sees one state of the database up to its first pause. */
function onOneSnapshot({ read }: Connection, methods: Metadata, isReader = false): Metadata {
  return wrapEach(methods, (run, name) => {
    if (name === 'close' || (servedBy[name] === 'writer' && !isReader)) return run
    return async (...args) => {
      // Not returned: better-sqlite3 rejects transactions that return a promise.
      let answer: Promise<unknown> | undefined
      try {
        read(() => {
          answer = run(...args)
        })
      } finally {
        // In a damaged database ending the transaction fails, too; the error of the call is thrown.
        await answer
      }
      return await answer
    }
  })
}

function reportingReadFailures(methods: Metadata): Metadata {
  return wrapEach(methods, (run) => async (...args) => {
    try {
      return await run(...args)
    } catch (error) {
      throw asReadFailure(error)
    }
  })
}

type Run = (...args: unknown[]) => Promise<unknown>

function wrapEach(methods: Metadata, wrap: (run: Run, name: keyof Metadata) => Run): Metadata {
  const wrapped = Object.entries(methods).map(([name, run]) => [
    name,
    wrap(run as Run, name as keyof Metadata),
  ])
  return Object.fromEntries(wrapped) as Metadata
}
