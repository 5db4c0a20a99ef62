/** A database file that cannot be opened: not writable by this user, on a read-only disk, or not
 *  a database. */
import SqliteDatabase from 'better-sqlite3'

/** A class of our own, since an error of better-sqlite3 that ends a thread arrives without its
 *  message. */
class UnusableDatabaseError extends Error {
  override readonly name = 'UnusableDatabaseError'
  /** Whether the file's contents are wrong, as opposed to the permissions of the opener. */
  readonly isDamaged: boolean

  constructor(path: string, { code, message }: { code: string; message: string }) {
    super(`${path} cannot be opened: ${message} (${code})`)
    this.isDamaged = /^SQLITE_(?:NOTADB|CORRUPT)/.test(code)
  }
}

/** Returns UnusableDatabaseError for an error of SQLite; any other error unchanged. */
export function asUnusable(path: string, error: unknown): unknown {
  return error instanceof SqliteDatabase.SqliteError
    ? new UnusableDatabaseError(path, error)
    : error
}

/** Runs `open` and names the file in errors of SQLite. Errors: UnusableDatabaseError. */
export function reportingUnusable<Result>(path: string, open: () => Result): Result {
  try {
    return open()
  } catch (error) {
    throw asUnusable(path, error)
  }
}
