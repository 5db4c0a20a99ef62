import SqliteDatabase from 'better-sqlite3'
import { storeError } from '../../../core/errors.ts'

const ownDisk = 'the disk of the metadata'

/** Runs `work` and reports a full disk as `storage_full`, naming the disk. SQLite rolls the
 *  transaction back. */
export function reportingFullDisk<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    throw asFull(error, ownDisk)
  }
}

function asFull(error: unknown, disk: string): unknown {
  const isFull =
    error instanceof SqliteDatabase.SqliteError &&
    (error.code === 'SQLITE_FULL' || error.code === 'SQLITE_IOERR_SHMSIZE')
  if (!isFull) return error
  return fullDisk(disk, error)
}

export function fullDisk(disk = ownDisk, cause?: unknown): Error {
  return storeError('storage_full', `${disk} is full`, { neededBytes: null }, { cause })
}

/** As `reportingFullDisk`; also reports a disk that fails or is read-only as `storage_failed`. */
export function reportingDiskFailure<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    throw asWriteFailure(error)
  }
}

/** Returns `storage_full` or `storage_failed` for an error of a database that cannot be written
 *  because of its disk; any other error unchanged. */
export function asWriteFailure(error: unknown, disk = ownDisk): unknown {
  const codes = /^SQLITE_(?:IOERR|READONLY|CANTOPEN)/
  return asFailed(`${disk} cannot be written`, asFull(error, disk), codes)
}

/** Returns `storage_failed` for an error of a database that cannot be read, because of its disk or
 *  because it is damaged; any other error unchanged. */
export function asReadFailure(error: unknown): unknown {
  const codes = /^SQLITE_(?:IOERR|CANTOPEN|CORRUPT|NOTADB)/
  return asFailed('the database cannot be read', error, codes)
}

/** Returns `storage_failed` for an error of SQLite with one of these codes; any other unchanged. */
function asFailed(what: string, error: unknown, codes: RegExp): unknown {
  if (!(error instanceof SqliteDatabase.SqliteError) || !codes.test(error.code)) return error
  const { code, message } = error
  const text = `${what}: ${message} (${code})`
  return storeError('storage_failed', text, { reason: code }, { cause: error })
}
