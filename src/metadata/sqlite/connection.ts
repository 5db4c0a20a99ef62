/** One thread's connection to the database: settings, migration, transactions. Transactions are synchronous, so none can
 *  cross an await, and short, so that the threads that share the file rarely wait for each other. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import SqliteDatabase, { type Database, type Statement } from 'better-sqlite3'
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3'
import { storeError } from '../../core/errors.ts'
import { migrateDatabase } from './migrate.ts'

export interface Connection {
  /** Drizzle over this connection; its statements take part in the transaction around them. */
  readonly orm: BetterSQLite3Database
  /** The instant now, for columns that no caller gives. */
  readonly now: () => number
  prepare<Parameters extends unknown[], Row = unknown>(sql: string): Statement<Parameters, Row>
  /** Runs `work` on one snapshot of the database. */
  read<Result>(work: () => Result): Result
  /** Runs `work` as one durable transaction that holds the write lock from its first statement on, so it can never fail
   *  half-way for want of the lock. */
  write<Result>(work: () => Result): Result
  /** As `write`, but durable only with the next `write` of any connection: for rows that nobody counts on before. The
   *  log is written in order, so a power loss takes a tail of the transactions and never one from between. */
  stage<Result>(work: () => Result): Result
  /** Copies the write-ahead log into the database as far as nobody is in the way, so that the log starts over instead of
   *  growing with every upload. Never fails: what cannot be copied now is copied later. */
  checkpoint(): void
  /** Repeats `step` as `stage` transactions until it answers false, with a rest after each. */
  stageInSteps(step: () => boolean): Promise<void>
  /** Gives at most `pagesMax` free pages back to the file system; answers how many are left. */
  returnPages(pagesMax: number): number
  /** Lets other calls of this thread have their turn between two steps of a long one. */
  turn(): Promise<void>
  /** The same between two steps of work that nobody waits for, and lets other threads have the write lock for as long as
   *  the step before held it: they ask for it again and again with pauses, and would starve between steps that follow
   *  each other at once. */
  rest(): Promise<void>
  close(): void
}

export interface ConnectionOptions {
  path: string
  now?: () => number
  /** Called with each statement as it runs, parameters filled in. */
  trace?: (sql: string) => void
}

/** How long a transaction waits for another thread's before it fails. Transactions take milliseconds. */
const busyTimeoutMs = 60_000
/** Timers are no finer than a millisecond; and a step that was slow for once is no reason to sleep. */
const restMsMin = 1
const restMsMax = 20
const cacheKiB = 16 * 1024
/** A checkpoint copies pages back at random places and syncs twice; the log is let grow to this many pages (32 MiB), so
 *  that pages which many transactions change are copied once. */
const checkpointPages = 8192
/** The write-ahead log is cut back to this after a checkpoint. */
const journalBytesMax = 64 * 1024 * 1024

/** Opens the database at `path`, creating and migrating it where needed; any number of threads may do so at once. */
export function openConnection({ path, now = Date.now, trace }: ConnectionOptions): Connection {
  const database = new SqliteDatabase(path, {
    timeout: busyTimeoutMs,
    ...(trace && { verbose: (sql: unknown) => trace(String(sql)) }),
  })
  try {
    configure(database)
    migrateDatabase(database)
  } catch (error) {
    database.close()
    throw error
  }
  const run = database.transaction((work: () => unknown) => work())
  const setSync = createSyncSwitch(database)
  /** How long the last staged transaction held the write lock. */
  let heldMs = 0
  const stage = <Result>(work: () => Result): Result => {
    setSync('NORMAL')
    return tellingFull(() => {
      // The lock is waited for here and not counted.
      let startedAt = 0
      const result = run.immediate(() => {
        startedAt = performance.now()
        return work()
      }) as Result
      heldMs = performance.now() - startedAt
      return result
    })
  }
  const rest = async (): Promise<void> => {
    if (heldMs < restMsMin) await nextTurn()
    else await sleep(Math.min(heldMs, restMsMax))
  }
  return {
    orm: drizzle(database),
    now,
    prepare: <Parameters extends unknown[], Row = unknown>(sql: string) =>
      database.prepare<Parameters, Row>(sql) as Statement<Parameters, Row>,
    read: <Result>(work: () => Result): Result => run.deferred(work) as Result,
    write: <Result>(work: () => Result): Result => {
      setSync('FULL')
      return tellingFull(() => run.immediate(work) as Result)
    },
    stage,
    checkpoint: () => {
      try {
        database.pragma('wal_checkpoint(PASSIVE)')
      } catch (error) {
        // A full disk, for one; the log holds everything until a later turn.
        if (!(error instanceof SqliteDatabase.SqliteError)) throw error
      }
    },
    stageInSteps: async (step) => {
      while (stage(step)) await rest()
    },
    returnPages: (pagesMax) => {
      tellingFull(() => database.pragma(`incremental_vacuum(${pagesMax})`))
      return database.pragma('freelist_count', { simple: true }) as number
    },
    turn: nextTurn,
    rest,
    close: () => database.close(),
  }
}

/** Tells a full disk as what it is. SQLite rolls the transaction back. */
function tellingFull<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    const isFull =
      error instanceof SqliteDatabase.SqliteError &&
      (error.code === 'SQLITE_FULL' || error.code === 'SQLITE_IOERR_SHMSIZE')
    if (!isFull) throw error
    throw storeError(
      'storage_full',
      'the disk of the metadata is full',
      { neededBytes: null },
      { cause: error },
    )
  }
}

function configure(database: Database): void {
  // It can be chosen only while the file is empty; gives pages of deleted rows back to the file system in small steps.
  database.pragma('auto_vacuum = INCREMENTAL')
  enterWal(database)
  database.pragma('foreign_keys = ON')
  database.pragma(`wal_autocheckpoint = ${checkpointPages}`)
  database.pragma(`cache_size = -${cacheKiB}`)
  database.pragma(`journal_size_limit = ${journalBytesMax}`)
}

/** FULL syncs the log with every commit, NORMAL only before a checkpoint (sqlite.org/pragma.html#pragma_synchronous). */
function createSyncSwitch(database: Database): (level: 'FULL' | 'NORMAL') => void {
  let current: 'FULL' | 'NORMAL' | undefined
  return (level) => {
    if (level === current) return
    database.pragma(`synchronous = ${level}`)
    current = level
  }
}

/** Entering WAL needs the file for itself, and SQLite answers SQLITE_BUSY at once, whatever the busy timeout, when
 *  another connection is entering too. */
function enterWal(database: Database): void {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  const deadline = performance.now() + busyTimeoutMs
  for (;;) {
    try {
      database.pragma('journal_mode = WAL')
      return
    } catch (error) {
      const isBusy =
        error instanceof SqliteDatabase.SqliteError && error.code.startsWith('SQLITE_BUSY')
      if (!isBusy || performance.now() > deadline) throw error
      Atomics.wait(pause, 0, 0, 5)
    }
  }
}
