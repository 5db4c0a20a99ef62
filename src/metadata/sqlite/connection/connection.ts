/** One thread's connection to the database: settings, migration, transactions. Transactions are
 *  synchronous, so none can span an await, and short, so that threads that share the file rarely
 *  wait for each other. */
import { accessSync, closeSync, constants, existsSync, openSync } from 'node:fs'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import SqliteDatabase, { type Database } from 'better-sqlite3'
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3'
import { nameKey } from '../../../core/manifest/artifact-order.ts'
import { createSharedLog, joinSharedLog } from '../log/shared-log.ts'
import { checkpoint, keptLogPagesMax } from './checkpoint.ts'
import { reportingDiskFailure, reportingFullDisk } from './disk-failure.ts'
import { notingFailedSync, repairFailedSync, requireSynced } from './failed-sync.ts'
import { keepingStatements } from './kept-statements.ts'
import { type LazyStatement, prepareLazily } from './lazy-statement.ts'
import { migrateDatabase } from './migrate.ts'
import { createOthersWatch } from './others-watch.ts'
import { reportingUnusable } from './unusable-database.ts'

export interface Connection {
  /** Drizzle over this connection; its statements take part in the enclosing transaction. */
  readonly orm: BetterSQLite3Database
  /** The current time, for columns that no caller sets. */
  readonly now: () => number
  prepare<Parameters extends unknown[], Row = unknown>(sql: string): LazyStatement<Parameters, Row>
  /** Runs `work` on one snapshot of the database. */
  read<Result>(work: () => Result): Result
  /** Runs `work` as one durable transaction that takes the write lock up front, so it can never
   *  fail half-way for lack of the lock. */
  write<Result>(work: () => Result): Result
  /** As `write`, but durable only with the next `write` of any connection: for rows that nobody
   *  relies on before that. The log is written in order, so a power loss drops a tail of the
   *  transactions and never one from the middle. */
  stage<Result>(work: () => Result): Result
  /** Copies the write-ahead log into the database as far as no reader or writer blocks it, so
   *  that the log restarts instead of growing with every upload. A no-op where a log keeper does
   *  it. */
  checkpoint(): void
  /** Repeats `step`, which takes well under a millisecond, in one `stage` transaction until it
   *  returns false or the transaction has lasted `stepMsMax`; returns the result of the last
   *  step. */
  stageSteps(step: () => boolean): boolean
  /** Repeats `step`, which takes some milliseconds, in one `stage` transaction until it returns
   *  false, another thread waits to write, or the transaction has lasted `unawaitedMsMax`;
   *  returns the result of the last step. Pages that many steps change are then written once. */
  stageWhileFree(step: () => boolean): boolean
  /** Repeats `step` until it returns false, in as many such transactions as needed, with a
   *  `rest` after each, or only a `turn` when a client waits for the result (`isAwaited`). */
  stageInSteps(step: () => boolean, options?: { isAwaited: boolean }): Promise<void>
  /** Returns at most `pagesMax` free pages to the file system; returns how many are left. */
  returnPages(pagesMax: number): Promise<number>
  /** Yields to other calls of this thread between two steps of a long one. */
  turn(): Promise<void>
  /** Yields between two steps of background work. While others use the database, also sleeps for
   *  four times as long as the last step held the write lock. Pauses while the log is too long. */
  rest(): Promise<void>
  close(): void
}

export interface ConnectionOptions {
  path: string
  /** Of threads that share the database; their log keeper makes the checkpoints (shared-log.ts). */
  sharedLog?: SharedArrayBuffer | undefined
  /** For a thread that only reads a database that another one of the process has open. SQLite
   *  rejects its writes, except to temporary tables. */
  isReader?: boolean | undefined
  now?: () => number
  /** Number of calls that have arrived on this thread and on the one that only reads. Maintenance
   *  rests between its steps while calls other than its own arrive. */
  callCount?: () => number
  /** Called with each statement as it runs, with its parameters filled in. */
  trace?: (sql: string) => void
}

/** How long a transaction waits for one of another thread before it fails. Transactions take
 *  milliseconds. */
const busyTimeoutMs = 60_000
/** Pages returned to the file system in one step, which moves pages from the end of the file
 *  into gaps. */
const pagesPerStep = 8
/** Upper bound on how long a download waits for a step: about half the time of its whole
 *  response. */
const stepMsMax = 2
/** Upper bound on a transaction while no other thread waits, which also keeps its commit short. */
const unawaitedMsMax = 30
/** Bounds of a sleep. Timers are no finer than a millisecond, and one slow step is no reason to
 *  sleep long. */
const restMsMin = 1
const restMsMax = 20
/** With as much rest as work, readers and uploads waited 2.2 and 2.3 times as long at the 99th
 *  percentile as without maintenance; now it is 1.2 and 1.4, and expiring 10,000 of 100,000
 *  artifacts takes 42 s instead of 21 (bench/big-store). */
const restPerWork = 4
/** How long background work pauses at most to let the log keeper shorten the log. */
const pauseMsMax = 2000
/** Of each connection. The kernel has the rest: with 16 MiB an upload of 300,000 files was no
 *  faster, and the server took 15 MB more. */
const cacheKiB = 8 * 1024
/** What clients ask for again and again is little, and the kernel has the rest. */
const readerCacheKiB = 4 * 1024
/** Without a log keeper, the writer that brings the log to this many pages (32 MiB) makes a
 *  checkpoint; pages changed by many transactions are then copied once. */
const ownLogPagesMax = 8192
const unawaited = { isAwaited: false }
/** Size to which the log file is truncated after a checkpoint: what it reaches under steady
 *  maintenance, so that the file is not regrown each time. */
const journalBytesMax = 128 * 1024 * 1024

/** Opens the database at `path`, creating and migrating it where needed; several threads may do
 *  so concurrently.
 *  Errors: storage_full, UnusableDatabaseError, NewerDatabaseError, ChangedMigrationError. */
export function openConnection(options: ConnectionOptions): Connection {
  const { path, sharedLog, now = Date.now, callCount = () => 0 } = options
  const database = reportingUnusable(path, () => openDatabase(options))
  const run = database.transaction((work: () => unknown) => work())
  const log = joinSharedLog(sharedLog ?? createSharedLog())
  const commit = <Result>(work: () => Result): Result =>
    run.immediate(() => {
      const result = work()
      requireSynced(log)
      return result
    }) as Result
  /** Runs `work`, which writes, once its turn has come. */
  const inTurn = <Result>(work: (isAwaited: () => boolean) => Result): Result => {
    const attempt = (isAwaited: () => boolean): Result =>
      reportingDiskFailure(() => notingFailedSync(log, () => work(isAwaited)))
    if (database.inTransaction) return attempt(() => false)
    const ticket = log.enter()
    others.noteTicket(ticket)
    try {
      repairFailedSync(log, database)
      return attempt(() => log.isAwaited(ticket))
    } finally {
      log.leave(ticket)
      log.announce()
    }
  }
  const others = createOthersWatch(callCount)
  const setSync = createSyncSwitch(database)
  /** How long the last staged transaction held the write lock. */
  let heldMs = 0
  const stage = <Result>(work: (isAwaited: () => boolean) => Result): Result => {
    setSync('NORMAL')
    return inTurn((isAwaited) => {
      // Waiting for the lock happens here and is not counted.
      let startedAt = 0
      const result = commit(() => {
        startedAt = performance.now()
        return work(isAwaited)
      })
      heldMs = performance.now() - startedAt
      return result
    })
  }
  const rest = async (): Promise<void> => {
    await nextTurn()
    if (others.arePresent() && heldMs >= restMsMin)
      await sleep(Math.min(heldMs * restPerWork, restMsMax))
    for (let pausedMs = 0; log.isLong() && pausedMs < pauseMsMax;) {
      await sleep(restMsMax)
      pausedMs += restMsMax
    }
  }
  const repeat = (
    step: () => boolean,
    { msMax, untilAwaited }: { msMax: number; untilAwaited: boolean },
  ): boolean =>
    stage((isAwaited) => {
      const until = performance.now() + msMax
      for (;;) {
        if (!step()) return false
        if ((untilAwaited && isAwaited()) || performance.now() >= until) return true
      }
    })
  const stageSteps = (step: () => boolean): boolean =>
    repeat(step, { msMax: stepMsMax, untilAwaited: false })
  const stageWhileFree = (step: () => boolean): boolean =>
    repeat(step, { msMax: unawaitedMsMax, untilAwaited: true })
  const stageInSteps: Connection['stageInSteps'] = async (step, { isAwaited } = unawaited) => {
    others.noteOwnCall()
    for (let isMore = true; isMore;) {
      isMore = stageSteps(step)
      await (isAwaited ? nextTurn() : rest())
    }
  }
  return {
    orm: drizzle(keepingStatements(database)),
    now,
    prepare: <Parameters extends unknown[], Row = unknown>(sql: string) =>
      prepareLazily<Parameters, Row>(database, sql),
    read: <Result>(work: () => Result): Result => run.deferred(work) as Result,
    write: <Result>(work: () => Result): Result => {
      setSync('FULL')
      return inTurn(() => commit(work))
    },
    stage,
    checkpoint: () => {
      if (sharedLog === undefined) checkpoint(database, log)
    },
    stageSteps,
    stageWhileFree,
    stageInSteps,
    returnPages: async (pagesMax) => {
      let left = 0
      let returned = 0
      await stageInSteps(() => {
        database.pragma(`incremental_vacuum(${pagesPerStep})`)
        returned += pagesPerStep
        const before = left
        left = database.pragma('freelist_count', { simple: true }) as number
        return left > 0 && left !== before && returned < pagesMax
      })
      return left
    },
    turn: nextTurn,
    rest,
    close: () => database.close(),
  }
}

function openDatabase({ path, sharedLog, isReader = false, trace }: ConnectionOptions): Database {
  // By default SQLite lets every user of the machine read the file, with names and logs of runs.
  // Its companion files get the same mode.
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600))
  const database = new SqliteDatabase(path, {
    timeout: busyTimeoutMs,
    readonly: isReader,
    ...(trace && { verbose: (sql: unknown) => trace(String(sql)) }),
  })
  try {
    // SQLite opens a read-only file without error and fails only at the first write.
    accessSync(path, constants.W_OK)
    database.function('name_key', { deterministic: true }, (name) => nameKey(String(name)))
    reportingFullDisk(() => {
      configure(database, {
        logPagesMax: sharedLog === undefined ? ownLogPagesMax : keptLogPagesMax,
        cache: isReader ? readerCacheKiB : cacheKiB,
      })
      migrateDatabase(database)
    })
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function configure(
  database: Database,
  { logPagesMax, cache }: { logPagesMax: number; cache: number },
): void {
  // INCREMENTAL lets pages of deleted rows be returned to the file system in small steps. It can be
  // set only while the file is empty. Later it has no effect, yet it waits for SQLite's write lock
  // outside the turns of shared-log.ts, which takes forever beside busy writers.
  if (database.pragma('page_count', { simple: true }) === 0)
    database.pragma('auto_vacuum = INCREMENTAL')
  enterWal(database)
  database.pragma('foreign_keys = ON')
  database.pragma(`wal_autocheckpoint = ${logPagesMax}`)
  database.pragma(`cache_size = -${cache}`)
  database.pragma(`journal_size_limit = ${journalBytesMax}`)
}

/** FULL syncs the log on every commit, NORMAL only before a checkpoint
 *  (sqlite.org/pragma.html#pragma_synchronous). */
function createSyncSwitch(database: Database): (level: 'FULL' | 'NORMAL') => void {
  let current: 'FULL' | 'NORMAL' | undefined
  return (level) => {
    if (level === current) return
    database.pragma(`synchronous = ${level}`)
    current = level
  }
}

/** Entering WAL mode needs exclusive access to the file. While another connection enters it too,
 *  SQLite returns SQLITE_BUSY at once, whatever the busy timeout. */
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
