/** Metadata in a SQLite file, on the thread that calls. Several threads may have the same file open. The methods are
 *  grouped by the part of the store they are about, one file each in `sqlite/`. */
import type { Metadata, Quota } from './metadata.ts'
import { createArtifactMethods } from './sqlite/artifacts.ts'
import { createBoundCheck } from './sqlite/bound-check.ts'
import { createCommitMethods } from './sqlite/commit.ts'
import { createCompactionMethods } from './sqlite/compaction.ts'
import { createCompositeMethods } from './sqlite/composites.ts'
import { type ConnectionOptions, openConnection } from './sqlite/connection.ts'
import { createDamage } from './sqlite/damage.ts'
import { createFigureMethods } from './sqlite/figures.ts'
import { createLatest } from './sqlite/latest.ts'
import { createOfferMethods } from './sqlite/offers.ts'
import { createOverviewMethods } from './sqlite/overview.ts'
import { createPackMethods } from './sqlite/packs.ts'
import { createReadingMethods } from './sqlite/reading.ts'
import { createReadLeaseMethods, createUnwrittenLeases } from './sqlite/read-leases.ts'
import { createReclaimMethods } from './sqlite/reclaim.ts'
import { createReleaseMethods } from './sqlite/release.ts'
import { createRemoval } from './sqlite/removal.ts'
import { createRevocationMethods } from './sqlite/revocations.ts'
import { createRunMethods } from './sqlite/runs.ts'
import { createRunRecordMethods } from './sqlite/run-records.ts'
import { createSessionMethods } from './sqlite/sessions.ts'
import { createStagingMethods } from './sqlite/staging.ts'
import { createSweepMethods } from './sqlite/sweep.ts'
import { createHealingMethods } from './sqlite/healing.ts'
import { createHolderMethods } from './sqlite/holders.ts'
import { createRollupMethods } from './sqlite/rollups.ts'
import { createCopyMethods } from './sqlite/snapshot.ts'
import { createVerificationMethods } from './sqlite/verification.ts'
import { createTreeMethods } from './sqlite/trees.ts'
import { createUploadMethods } from './sqlite/uploads.ts'
import { createUsageHistoryMethods } from './sqlite/usage-history.ts'

export interface StoreOptions extends ConnectionOptions {
  quota?: Quota | undefined
}

const noQuota: Quota = { projectBytes: null, storeBytes: null }

/** Opens the database at `path`, creating or migrating it first where needed. */
export function openSqliteMetadata({ quota = noQuota, ...options }: StoreOptions): Metadata {
  const connection = openConnection(options)
  const unwritten = createUnwrittenLeases()
  const removal = createRemoval(connection, unwritten)
  const damage = createDamage(connection)
  const latest = createLatest(connection)
  const checkBounds = createBoundCheck(connection, quota)
  const change = { removal, damage, latest, checkBounds }
  return {
    ...createRunMethods(connection, latest),
    ...createRunRecordMethods(connection),
    ...createUploadMethods(connection),
    ...createSessionMethods(connection, removal),
    ...createOfferMethods(connection),
    ...createPackMethods(connection, damage),
    ...createCompositeMethods(connection),
    ...createStagingMethods(connection),
    ...createCommitMethods(connection, change),
    ...createArtifactMethods(connection),
    ...createReadingMethods(connection),
    ...createTreeMethods(connection),
    ...createReleaseMethods(connection, change),
    ...createReadLeaseMethods(connection, unwritten),
    ...createReclaimMethods(connection),
    ...createCompactionMethods(connection, unwritten),
    markDamaged: damage.markDamaged,
    ...createVerificationMethods(connection, damage),
    ...createHealingMethods(connection, damage),
    ...createRollupMethods(connection),
    ...createCopyMethods(connection),
    ...createSweepMethods(connection),
    ...createOverviewMethods(connection),
    ...createHolderMethods(connection),
    ...createFigureMethods(connection),
    ...createUsageHistoryMethods(connection),
    ...createRevocationMethods(connection),
    close: async () => connection.close(),
  }
}
