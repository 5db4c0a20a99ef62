/** Copies the write-ahead log back into the database. */
import SqliteDatabase, { type Database } from 'better-sqlite3'
import type { SharedLog } from '../log/shared-log.ts'
import { notingFailedSync } from './failed-sync.ts'
import { reportingUnusable } from './unusable-database.ts'

type SqliteError = InstanceType<typeof SqliteDatabase.SqliteError>

/** With a log keeper, the writer that brings the log to this many pages (256 MiB) makes a
 *  checkpoint. While the keeper lives, only a reader that stays on an old snapshot for minutes lets
 *  it become so long: counting the rollups of millions of blobs while much is written. */
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
  /** Whether the last one failed because the disk is full. */
  foundFullDisk(): boolean
  close(): void
}

/** A connection that only makes checkpoints. The database must exist. */
export function openCheckpointer(path: string, log: SharedLog): Checkpointer {
  const database = reportingUnusable(path, () => new SqliteDatabase(path, { fileMustExist: true }))
  let isFull = false
  const onFailure = ({ code }: SqliteError): void => {
    isFull = code === 'SQLITE_FULL'
  }
  return {
    run: () => {
      isFull = false
      return checkpoint(database, log, onFailure)
    },
    foundFullDisk: () => isFull,
    close: () => database.close(),
  }
}

/** Never fails: what cannot be copied now is copied later. */
export function checkpoint(
  database: Database,
  sharedLog: SharedLog,
  onFailure?: (error: SqliteError) => void,
): Checkpoint | undefined {
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
    if (!(error instanceof SqliteDatabase.SqliteError)) throw error
    onFailure?.(error)
    return undefined
  }
}
