/** One process at a time on a data directory. The lock is SQLite's own, on a file of its own: the system drops it with
 *  the process, so a killed server leaves nothing stale. */
import SqliteDatabase from 'better-sqlite3'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

export interface DataLock {
  release(): void
}

/** The directory is in use by another process. */
export class DataLockedError extends Error {
  override readonly name = 'DataLockedError'
}

/** Takes the lock of `dataDir`, making the directory when it is missing. Errors: DataLockedError. */
export function lockDataDir(dataDir: string): DataLock {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const database = new SqliteDatabase(join(dataDir, 'server.lock'), { timeout: 0 })
  try {
    // Nothing is ever written, so no journal file needs to lie beside it.
    database.pragma('journal_mode = MEMORY')
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    const isTaken =
      error instanceof SqliteDatabase.SqliteError && error.code.startsWith('SQLITE_BUSY')
    if (!isTaken) throw error
    throw new DataLockedError(`another trove process works on ${dataDir}`, { cause: error })
  }
  return { release: () => database.close() }
}
