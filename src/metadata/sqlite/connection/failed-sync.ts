/** Keeps commits durable after a sync of the write-ahead log failed.
 *
 *  The kernel reports once that pages could not be written and then takes them for clean, so the
 *  next sync succeeds without them (lwn.net/Articles/752063). The log would have a hole, and
 *  after a power loss SQLite reads it only up to there: staged rows would be missing, and with
 *  them every later commit. A complete checkpoint copies all of the log, which is still in
 *  memory, into the database and syncs that. Until one succeeds, nothing is written. */
import SqliteDatabase, { type Database } from 'better-sqlite3'
import { storeError } from '../../../core/errors.ts'
import type { SharedLog } from '../log/shared-log.ts'
import { reportingDiskFailure } from './disk-failure.ts'

/** Runs `work` and notes a sync that fails in it. Errors: those of `work`. */
export function notingFailedSync<Result>(log: SharedLog, work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    if (isFailedSync(error)) log.setFailedSync(true)
    throw error
  }
}

/** Copies the log into the database if a sync of the log failed; to be called before a transaction,
 *  in the turn to write. Errors: storage_failed (not all of it could be copied). */
export function repairFailedSync(log: SharedLog, database: Database): void {
  if (!log.hasFailedSync()) return
  reportingDiskFailure(() => {
    const [row] = database.pragma('wal_checkpoint(PASSIVE)') as {
      log: number
      checkpointed: number
    }[]
    // -1 for both: another thread makes a checkpoint.
    if (row!.log === row!.checkpointed && row!.log >= 0) log.setFailedSync(false)
  })
  requireSynced(log)
}

/** To be called before a commit: the sync may have failed in another thread meanwhile. Errors:
 *  storage_failed. */
export function requireSynced(log: SharedLog): void {
  if (!log.hasFailedSync()) return
  const reason = 'the log could not be synced and is not copied yet'
  throw storeError('storage_failed', `the disk of the metadata failed: ${reason}`, { reason })
}

function isFailedSync(error: unknown): boolean {
  return error instanceof SqliteDatabase.SqliteError && error.code.endsWith('_FSYNC')
}
