import SqliteDatabase from 'better-sqlite3'
import { storeError } from '../../../core/errors.ts'

/** Runs `work` and reports a full disk as `storage_full`, naming the disk. SQLite rolls the
 *  transaction back. */
export function reportingFullDisk<Result>(
  work: () => Result,
  disk = 'the disk of the metadata',
): Result {
  try {
    return work()
  } catch (error) {
    const isFull =
      error instanceof SqliteDatabase.SqliteError &&
      (error.code === 'SQLITE_FULL' || error.code === 'SQLITE_IOERR_SHMSIZE')
    if (!isFull) throw error
    throw storeError('storage_full', `${disk} is full`, { neededBytes: null }, { cause: error })
  }
}

/** As `reportingFullDisk`; also reports a disk that fails or is read-only as `storage_failed`. */
export function reportingDiskFailure<Result>(work: () => Result, disk?: string): Result {
  try {
    return reportingFullDisk(work, disk)
  } catch (error) {
    const isOfDisk =
      error instanceof SqliteDatabase.SqliteError &&
      /^SQLITE_(?:IOERR|READONLY|CANTOPEN)/.test(error.code)
    if (!isOfDisk) throw error
    const { code, message } = error
    const name = disk ?? 'the disk of the metadata'
    const text = `${name} cannot be written: ${message} (${code})`
    throw storeError('storage_failed', text, { reason: code }, { cause: error })
  }
}

/** Returns `storage_failed` for an error of a database that cannot be read, because of its disk or
 *  because it is damaged; any other error unchanged. */
export function asReadFailure(error: unknown): unknown {
  const isOfFile =
    error instanceof SqliteDatabase.SqliteError &&
    /^SQLITE_(?:IOERR|CANTOPEN|CORRUPT|NOTADB)/.test(error.code)
  if (!isOfFile) return error
  const { code, message } = error
  const text = `the database cannot be read: ${message} (${code})`
  return storeError('storage_failed', text, { reason: code }, { cause: error })
}
