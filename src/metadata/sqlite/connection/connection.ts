/** One thread's connection to the database: settings, migration, transactions. Transactions are synchronous, so none can
 *  cross an await, and short, so that the threads that share the file rarely wait for each other. */
import { accessSync, closeSync, constants, existsSync, openSync } from 'node:fs'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import SqliteDatabase, { type Database } from 'better-sqlite3'
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3'
import { nameKey } from '../../../core/artifact-order.ts'
import { storeError } from '../../../core/errors.ts'
import { joinSharedLog } from '../../shared-log.ts'
import { type LazyStatement, prepareLazily } from './lazy-statement.ts'
import { migrateDatabase } from './migrate.ts'
import { createOthersWatch } from './others-watch.ts'
import { tellingUnusable } from './unusable-database.ts'

export interface Connection {
  /** Drizzle over this connection; its statements take part in the transaction around them. */
  readonly orm: BetterSQLite3Database
  /** The instant now, for columns that no caller gives. */
  readonly now: () => number
  prepare<Parameters extends unknown[], Row = unknown>(sql: string): LazyStatement<Parameters, Row>
  /** Runs `work` on one snapshot of the database. */
  read<Result>(work: () => Result): Result
  /** Runs `work` as one durable transaction that holds the write lock from its first statement on, so it can never fail
   *  half-way for want of the lock. */
  write<Result>(work: () => Result): Result
  /** As `write`, but durable only with the next `write` of any connection: for rows that nobody counts on before. The
   *  log is written in order, so a power loss takes a tail of the transactions and never one from between. */
  stage<Result>(work: () => Result): Result
  /** Copies the write-ahead log into the database as far as nobody is in the way, so that the log starts over instead of
   *  growing with every upload. Left to the log keeper where there is one. */
  checkpoint(): void
  /** Repeats `step`, which takes well under a millisecond, in one `stage` transaction until it answers false or the
   *  transaction has lasted `stepMsMax`; what the last step answered. */
  stageSteps(step: () => boolean): boolean
  /** Repeats `step`, which takes some milliseconds, in one `stage` transaction until it answers false, another thread waits
   *  to write, or the transaction has lasted `unawaitedMsMax`; what the last step answered. Pages that many steps change
   *  are then written once. */
  stageWhileFree(step: () => boolean): boolean
  /** Repeats `step` until it answers false, in as many such transactions as it takes, with a rest after each; with no more
   *  than a turn for others when somebody waits for the end. */
  stageInSteps(step: () => boolean, options?: { isAwaited: boolean }): Promise<void>
  /** Gives at most `pagesMax` free pages back to the file system; answers how many are left. */
  returnPages(pagesMax: number): Promise<number>
  /** Lets other calls of this thread have their turn between two steps of a long one. */
  turn(): Promise<void>
  /** The same between two steps of work that nobody waits for; and while others use the database, waits for four times as
   *  long as the step before held the write lock. */
  rest(): Promise<void>
  close(): void
}

export interface ConnectionOptions {
  path: string
  /** Of threads that share the database; their log keeper does the checkpoints (shared-log.ts). */
  sharedLog?: SharedArrayBuffer | undefined
  now?: () => number
  /** How many calls this thread was given so far: upkeep rests between its steps while there are others than its own. */
  callCount?: () => number
  /** Called with each statement as it runs, parameters filled in. */
  trace?: (sql: string) => void
}

/** How long a transaction waits for another thread's before it fails. Transactions take milliseconds. */
const busyTimeoutMs = 60_000
/** Pages that go back to the file system in one step: the last ones move into the gaps. */
const pagesPerStep = 8
/** What a download that meets a step waits for it, at most: about half of what its whole answer takes. */
const stepMsMax = 2
/** What a transaction that nobody waits for may take, so that its end is not long either. */
const unawaitedMsMax = 30
/** Timers are no finer than a millisecond; and a step that was slow for once is no reason to sleep. */
const restMsMin = 1
const restMsMax = 20
/** With as much rest as work, readers and uploads waited 2.2 and 2.3 times as long at the 99th percentile as beside
 *  nothing; now it is 1.2 and 1.4, and expiring 10,000 of 100,000 artifacts takes 42 s in place of 21 (bench/big-store). */
const restPerWork = 4
/** How long work that nobody waits for leaves a long log to the log keeper at most. */
const pauseMsMax = 2000
const cacheKiB = 16 * 1024
/** Without a log keeper a checkpoint is made by whoever writes this many pages (32 MiB): pages which many transactions
 *  change are copied once. With one, nobody comes to the second bound as long as the keeper lives. */
const checkpointPages = { alone: 8192, kept: 65_536 } as const
const unawaited = { isAwaited: false }
/** The write-ahead log is cut back to this after a checkpoint: what it comes to under steady upkeep, so that its file is
 *  not made anew each time. */
const journalBytesMax = 128 * 1024 * 1024

/** Opens the database at `path`, creating and migrating it where needed; any number of threads may do so at once.
 *  Errors: storage_full, UnusableDatabaseError, NewerDatabaseError. */
export function openConnection(options: ConnectionOptions): Connection {
  const { path, sharedLog, now = Date.now, callCount = () => 0 } = options
  const database = tellingUnusable(path, () => openDatabase(options))
  const run = database.transaction((work: () => unknown) => work())
  const log = sharedLog && joinSharedLog(sharedLog)
  /** Runs `work`, which writes, when its turn has come. */
  const inTurn = <Result>(work: (isAwaited: () => boolean) => Result): Result => {
    if (log === undefined || database.inTransaction) return tellingFull(() => work(() => false))
    const ticket = log.enter()
    others.noteTicket(ticket)
    try {
      return tellingFull(() => work(() => log.isAwaited(ticket)))
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
      // The lock is waited for here and not counted.
      let startedAt = 0
      const result = run.immediate(() => {
        startedAt = performance.now()
        return work(isAwaited)
      }) as Result
      heldMs = performance.now() - startedAt
      return result
    })
  }
  const rest = async (): Promise<void> => {
    await nextTurn()
    if (others.areThere() && heldMs >= restMsMin)
      await sleep(Math.min(heldMs * restPerWork, restMsMax))
    for (let pausedMs = 0; log?.isLong() === true && pausedMs < pauseMsMax;) {
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
    orm: drizzle(database),
    now,
    prepare: <Parameters extends unknown[], Row = unknown>(sql: string) =>
      prepareLazily<Parameters, Row>(database, sql),
    read: <Result>(work: () => Result): Result => run.deferred(work) as Result,
    write: <Result>(work: () => Result): Result => {
      setSync('FULL')
      return inTurn(() => run.immediate(work) as Result)
    },
    stage,
    checkpoint: () => {
      if (log === undefined) checkpoint(database)
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

function openDatabase({ path, sharedLog, trace }: ConnectionOptions): Database {
  // SQLite would let every user of the machine read it, names and logs of runs; what lies beside it has its mode.
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600))
  const database = new SqliteDatabase(path, {
    timeout: busyTimeoutMs,
    ...(trace && { verbose: (sql: unknown) => trace(String(sql)) }),
  })
  try {
    // SQLite is content with a file that may only be read, until the first write.
    accessSync(path, constants.W_OK)
    database.function('name_key', { deterministic: true }, (name) => nameKey(String(name)))
    tellingFull(() => {
      configure(database, checkpointPages[sharedLog === undefined ? 'alone' : 'kept'])
      migrateDatabase(database)
    })
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

export interface Checkpointer {
  /** Copies the log into the database as far as nobody is in the way; answers how many pages the log has. */
  run(): number
  close(): void
}

/** A connection that only makes checkpoints. The database exists. */
export function openCheckpointer(path: string): Checkpointer {
  const database = tellingUnusable(path, () => new SqliteDatabase(path, { fileMustExist: true }))
  return {
    run: () => checkpoint(database),
    close: () => database.close(),
  }
}

/** Never fails: what cannot be copied now is copied later. Answers how many pages the log has. */
function checkpoint(database: Database): number {
  try {
    const [row] = database.pragma('wal_checkpoint(PASSIVE)') as { log: number }[]
    return row!.log
  } catch (error) {
    // A full disk, for one; the log holds everything until a later turn.
    if (error instanceof SqliteDatabase.SqliteError) return 0
    throw error
  }
}

/** Tells a full disk as what it is, that of the database or another. SQLite rolls the transaction back. */
export function tellingFull<Result>(work: () => Result, disk = 'the disk of the metadata'): Result {
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

function configure(database: Database, autocheckpointPages: number): void {
  // It can be chosen only while the file is empty; gives pages of deleted rows back to the file system in small steps.
  // Later it would change nothing, and wait for SQLite's write lock outside the turns of shared-log.ts, which beside busy
  // writers takes for ever.
  if (database.pragma('page_count', { simple: true }) === 0)
    database.pragma('auto_vacuum = INCREMENTAL')
  enterWal(database)
  database.pragma('foreign_keys = ON')
  database.pragma(`wal_autocheckpoint = ${autocheckpointPages}`)
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
