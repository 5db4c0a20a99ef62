/** Allows one process at a time on a data directory. The lock is SQLite's own, on a separate
 *  file: the operating system releases it with the process, so a killed server leaves no stale
 *  lock. Next to it stands who has it: the command (`server.holder`), and the address of a server
 *  that listens (`server.url`), so that a command that finds the directory in use talks to that
 *  server and no other. */
import SqliteDatabase from 'better-sqlite3'
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { makeDurableDirectories } from '../../make-directories.ts'
import { asUnusable, reportingUnusable } from './connection/unusable-database.ts'

export interface DataLock {
  /** Publishes the address of the process that holds the lock: an origin, without a trailing
   *  slash. Never throws. */
  announce(url: string): void
  release(): void
}

/** The directory is in use by another process. */
export class DataLockedError extends Error {
  override readonly name = 'DataLockedError'
  /** The address of that process; null when it is a command, or a server that does not listen
   *  yet. */
  readonly serverUrl: string | null
  constructor(message: string, options: ErrorOptions & { serverUrl: string | null }) {
    super(message, options)
    this.serverUrl = options.serverUrl
  }
}

const lockFile = 'server.lock'

/** Whether any process has ever locked `dataDir`. Such a process may be about to create its
 *  store. Errors: those of `stat`, if the directory may not be examined. */
export function wasEverLocked(dataDir: string): boolean {
  return statSync(join(dataDir, lockFile), { throwIfNoEntry: false }) !== undefined
}

/** Takes the lock of `dataDir`, creating the directory if missing. `command` is what others are
 *  told. Errors: DataLockedError, UnusableDatabaseError. */
export function lockDataDir(dataDir: string, command: string): DataLock {
  makeDurableDirectories(dataDir, 0o700)
  const urlPath = join(dataDir, 'server.url')
  const holderPath = join(dataDir, 'server.holder')
  const lockPath = join(dataDir, lockFile)
  createPrivately(lockPath)
  const database = reportingUnusable(lockPath, () => new SqliteDatabase(lockPath, { timeout: 0 }))
  try {
    // Nothing is ever written, so no journal file is needed beside it.
    database.pragma('journal_mode = MEMORY')
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    const isTaken =
      error instanceof SqliteDatabase.SqliteError && error.code.startsWith('SQLITE_BUSY')
    // For example a network file system without locks.
    if (!isTaken) throw asUnusable(lockPath, error)
    const serverUrl = readText(urlPath)
    const holder = serverUrl === null ? readText(holderPath) : `a server at ${serverUrl}`
    const who = holder === null ? '' : ` (${holder})`
    throw new DataLockedError(`another trove process works on ${dataDir}${who}`, {
      cause: error,
      serverUrl,
    })
  }
  // What a killed process wrote is not about the new holder.
  for (const path of [urlPath, holderPath]) rmSync(path, { force: true })
  announce(holderPath, `trove ${command}, process ${process.pid}`)
  return {
    announce: (url) => announce(urlPath, url),
    release: () => {
      for (const path of [urlPath, holderPath]) tryRemove(path)
      database.close()
    },
  }
}

/** Whoever may read the file can lock it, and keep a server from starting. Never throws: SQLite
 *  tells what is wrong. */
function createPrivately(path: string): void {
  // Closing a file that exists would end the lock that this process may hold on it.
  if (existsSync(path)) return
  try {
    closeSync(openSync(path, 'a', 0o600))
  } catch {
    // As where the directory is read-only.
  }
}

/** Never throws. */
function announce(path: string, text: string): void {
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  } catch {
    // A full disk is no reason not to serve. Commands then use the address in their environment.
    tryRemove(`${path}.new`)
  }
}

function tryRemove(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // On a disk that failed it stays, as after a kill.
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // Missing, or not readable by this user.
    return null
  }
}
