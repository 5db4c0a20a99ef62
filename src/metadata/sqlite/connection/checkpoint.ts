/** Copies the write-ahead log back into the database. */
import SqliteDatabase, { type Database } from 'better-sqlite3'
import type { SharedLog } from '../log/shared-log.ts'
import { notingFailedSync } from './failed-sync.ts'
import { reportingUnusable } from './unusable-database.ts'

/** With a log keeper, the writer that brings the log to this many pages (256 MiB) makes a
 *  checkpoint, which is never reached while the keeper lives. */
export const keptLogPagesMax = 65_536

export interface Checkpoint {
  /** Length of the log, and how much of it is in the database now, in pages. */
  pages: number
  copied: number
}

export interface Checkpointer {
  /** Copies the log into the database as far as no reader or writer blocks it. Undefined when it
   *  fails, or another connection does so at the moment. */
  run(): Checkpoint | undefined
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

/** Never fails: what cannot be copied now is copied later. */
export function checkpoint(database: Database, sharedLog: SharedLog): Checkpoint | undefined {
  try {
    const [row] = notingFailedSync(
      sharedLog,
      () => database.pragma('wal_checkpoint(PASSIVE)') as { log: number; checkpointed: number }[],
    )
    const { log: pages, checkpointed: copied } = row!
    // -1 for both: another connection makes one.
    return pages < 0 ? undefined : { pages, copied }
  } catch (error) {
    // A full disk, for example; the log keeps everything until a later checkpoint.
    if (error instanceof SqliteDatabase.SqliteError) return undefined
    throw error
  }
}
