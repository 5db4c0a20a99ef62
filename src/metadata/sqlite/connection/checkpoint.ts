/** Copies the write-ahead log back into the database. */
import SqliteDatabase, { type Database } from 'better-sqlite3'
import type { SharedLog } from '../log/shared-log.ts'
import { notingFailedSync } from './failed-sync.ts'
import { reportingUnusable } from './unusable-database.ts'

export interface Checkpointer {
  /** Copies the log into the database as far as no reader or writer blocks it; returns the
   *  length of the log in pages. */
  run(): number
  close(): void
}

/** A connection that only makes checkpoints. The database must exist. */
export function openCheckpointer(path: string, log: SharedLog): Checkpointer {
  const database = reportingUnusable(path, () => new SqliteDatabase(path, { fileMustExist: true }))
  return {
    run: () => checkpoint(database, log),
    close: () => database.close(),
  }
}

/** Never fails: what cannot be copied now is copied later. Returns the length of the log in
 *  pages. */
export function checkpoint(database: Database, sharedLog: SharedLog): number {
  try {
    const [row] = notingFailedSync(
      sharedLog,
      () => database.pragma('wal_checkpoint(PASSIVE)') as { log: number }[],
    )
    return row!.log
  } catch (error) {
    // A full disk, for example; the log keeps everything until a later checkpoint.
    if (error instanceof SqliteDatabase.SqliteError) return 0
    throw error
  }
}
