/** Threads that share a database take turns to write, and leave its log to a thread that keeps
 *  it short. */
import { once } from 'node:events'
import { appendFileSync, closeSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import SqliteDatabase from 'better-sqlite3'
import { expect, test } from 'vitest'
import { readRecords } from '../../src/lifecycle/snapshot/changes.ts'
import { readDatabaseFile } from '../../src/lifecycle/snapshot/database-file.ts'
import { startLogKeeper } from '../../src/metadata/sqlite/log/log-keeper.ts'
import { createSharedLog, joinSharedLog } from '../../src/metadata/sqlite/log/shared-log.ts'
import { openConnection } from '../../src/metadata/sqlite/connection/connection.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase } = temporaryDatabases()
const greedy = fileURLToPath(new URL('greedy-thread.mjs', import.meta.url))

async function openKept() {
  const path = await newDatabase()
  const sharedLog = createSharedLog()
  const connection = openConnection({ path, sharedLog })
  const onFailure = (error: Error): never => {
    throw error
  }
  return { path, connection, keeper: await startLogKeeper({ path, sharedLog, onFailure }) }
}

// Goal: nobody fails with "database is locked" because others write all the time. SQLite alone
// retries its lock after pauses of 100 ms and meets a transaction each time: a single wait took
// seconds, and an upload failed after ten. Method: one thread leaves the database alone for some
// microseconds at a time while another wants to write.
test('a writer gets its turn beside one that never rests', { timeout: 120_000 }, async () => {
  const path = await newDatabase()
  const sharedLog = createSharedLog()
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const thread = new Worker(greedy, { workerData: { path, sharedLog, stop } })
  await once(thread, 'message')
  const openedAt = performance.now()
  const connection = openConnection({ path, sharedLog })
  // Opening must not wait: a statement that asks for the write lock outside the turns may never get
  // it.
  expect(performance.now() - openedAt).toBeLessThan(2000)
  const touch = connection.prepare('UPDATE totals SET packs = packs WHERE scope = 0')
  const waits: number[] = []
  for (let turn = 0; turn < 20; turn++) {
    const askedAt = performance.now()
    connection.write(() => {
      waits.push(performance.now() - askedAt)
      touch.run()
    })
  }
  Atomics.store(stop, 0, 1)
  await once(thread, 'exit')
  connection.close()
  // A turn of the other thread takes 20 ms; the rest allows for other load. Without turns a single
  // wait takes seconds.
  expect(waits.toSorted((a, b) => a - b)[10]).toBeLessThan(400)
  expect(Math.max(...waits)).toBeLessThan(5000)
})

test('a transaction of many steps continues while nobody waits, and ends after a step when somebody does', async () => {
  const path = await newDatabase()
  const sharedLog = createSharedLog()
  const connection = openConnection({ path, sharedLog })
  const touch = connection.prepare('UPDATE totals SET packs = packs WHERE scope = 0')
  /** Steps of 2 ms that one transaction takes, at most `most`. */
  const countSteps = (most: number): number => {
    let steps = 0
    connection.stageWhileFree(() => {
      touch.run()
      for (const until = performance.now() + 2; performance.now() < until;);
      steps += 1
      return steps < most
    })
    return steps
  }
  /** The most of ten tries: while other processes have the CPU, a transaction's time passes
   *  without a step. */
  const countMostSteps = (most: number): number =>
    Math.max(...Array.from({ length: 10 }, () => countSteps(most)))
  expect(countMostSteps(4)).toBe(4)
  // It ends nonetheless.
  const alone = countMostSteps(1000)
  expect(alone).toBeGreaterThan(4)
  expect(alone).toBeLessThan(20)
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const thread = new Worker(greedy, { workerData: { path, sharedLog, stop } })
  await once(thread, 'message')
  const beside = Array.from({ length: 11 }, () => countSteps(1000))
  Atomics.store(stop, 0, 1)
  await once(thread, 'exit')
  connection.close()
  expect(beside.toSorted((a, b) => a - b)[5]).toBeLessThan(3)
})

test('a thread that dies in its turn delays the others once', () => {
  const log = joinSharedLog(createSharedLog())
  const waitMs = (): number => {
    const askedAt = performance.now()
    log.leave(log.enter())
    return performance.now() - askedAt
  }
  const dead = log.enter()
  expect(waitMs()).toBeGreaterThan(1500)
  expect(waitMs()).toBeLessThan(500)
  // It was only slow and ends its turn after all: nobody else loses a turn because of that.
  const running = log.enter()
  log.leave(dead)
  expect(waitMs()).toBeGreaterThan(1500)
  log.leave(running)
  expect(waitMs()).toBeLessThan(500)
})

test('the log restarts though no writer makes a checkpoint', async () => {
  const { path, connection, keeper } = await openKept()
  connection.prepare('CREATE TABLE scratch (bytes BLOB)').run()
  const insert = connection.prepare<[Buffer]>('INSERT INTO scratch VALUES (?)')
  const logBytes = (): number => statSync(`${path}-wal`).size
  const page = Buffer.alloc(1_000_000, 7)
  let peak = 0
  for (let turn = 0; turn < 10; turn++) {
    connection.write(() => insert.run(page))
    peak = Math.max(peak, logBytes())
    await sleep(150)
  }
  connection.close()
  await keeper.close()
  // Ten megabytes passed through the log.
  expect(peak).toBeLessThan(6_000_000)
})

// The memory of messages is used again. Method: the main thread reads none while forty times as
// much is written.
test('pages that wait for a busy main thread arrive as they were captured', async () => {
  const { path, connection, keeper } = await openKept()
  connection.prepare('CREATE TABLE scratch (bytes BLOB)').run()
  const pages = new Map<number, Buffer>()
  const lost: string[] = []
  let pageCount = 0
  await keeper.capture.start({
    onPages: (records) => {
      for (const [number, page] of readRecords(records, keeper.capture.recordBytes))
        pages.set(number, Buffer.from(page))
    },
    onCommitted: (count) => {
      pageCount = count
    },
    onLost: (reason) => lost.push(reason),
  })
  const copy = `${path}.copy`
  for await (const piece of readDatabaseFile(path, () => {})) appendFileSync(copy, piece)
  const insert = connection.prepare<[Buffer]>('INSERT INTO scratch VALUES (?)')
  for (let value = 1; value <= 10; value++)
    connection.write(() => insert.run(Buffer.alloc(4_000_000, value)))
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500)
  await keeper.capture.flush()
  expect(lost).toEqual([])
  const file = openSync(copy, 'r+')
  for (const [number, page] of pages)
    writeSync(file, page, 0, page.length, (number - 1) * page.length)
  ftruncateSync(file, pageCount * 4096)
  closeSync(file)
  const copied = new SqliteDatabase(copy)
  expect(copied.pragma('integrity_check', { simple: true })).toBe('ok')
  const rows = copied.prepare('SELECT bytes FROM scratch ORDER BY rowid').pluck().all() as Buffer[]
  copied.close()
  connection.close()
  await keeper.close()
  expect(rows.map((bytes, index) => bytes.equals(Buffer.alloc(4_000_000, index + 1)))).toEqual(
    Array(10).fill(true),
  )
})

test('a flush of captured pages does not wait until nobody writes', async () => {
  const { connection, keeper } = await openKept()
  connection.prepare('CREATE TABLE scratch (number INTEGER)').run()
  const insert = connection.prepare<[number]>('INSERT INTO scratch VALUES (?)')
  await keeper.capture.start({ onPages: () => {}, onCommitted: () => {}, onLost: () => {} })
  const writing = setInterval(() => connection.write(() => insert.run(1)), 20)
  const startedAt = performance.now()
  for (let flush = 0; flush < 10; flush++) {
    await sleep(30)
    await keeper.capture.flush()
  }
  const ms = performance.now() - startedAt
  clearInterval(writing)
  connection.close()
  await keeper.close()
  // Otherwise each takes the second after which the log is copied though somebody writes.
  expect(ms).toBeLessThan(4000)
})
