/** A database file that cannot be opened: not for this user to write, on a disk that is read-only, or no database. */
import SqliteDatabase from 'better-sqlite3'

/** An error of our own, since one of better-sqlite3 arrives without a message when it ends a thread. */
class UnusableDatabaseError extends Error {
  override readonly name = 'UnusableDatabaseError'
  /** Its bytes are wrong, and not who opens it. */
  readonly isDamaged: boolean

  constructor(path: string, { code, message }: { code: string; message: string }) {
    super(`${path} cannot be opened: ${message} (${code})`)
    this.isDamaged = /^SQLITE_(?:NOTADB|CORRUPT)/.test(code)
  }
}

/** Runs `open`, and names the file in what SQLite has against it. Errors: UnusableDatabaseError. */
export function tellingUnusable<Result>(path: string, open: () => Result): Result {
  try {
    return open()
  } catch (error) {
    if (error instanceof SqliteDatabase.SqliteError) throw new UnusableDatabaseError(path, error)
    throw error
  }
}
