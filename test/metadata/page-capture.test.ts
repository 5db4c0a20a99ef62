/** A copy of the database file that is made while others write, and brought up to date with the
 *  pages that the log keeper captures. */
import {
  closeSync,
  copyFileSync,
  openSync,
  readSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import SqliteDatabase, { type Database } from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { openCheckpointer } from '../../src/metadata/sqlite/connection/checkpoint.ts'
import {
  type CaptureNotice,
  type FrameCapture,
  openFrameCapture,
} from '../../src/metadata/sqlite/log/frame-capture.ts'
import { recordsBytesMax } from '../../src/metadata/sqlite/log/log-frames.ts'
import { createSharedLog, joinSharedLog } from '../../src/metadata/sqlite/log/shared-log.ts'
import { createRandom } from '../lifecycle/random-world.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newPath } = temporaryDatabases()
const pageBytes = 4096
const recordBytes = 4 + pageBytes

/** Opens a database with its log. Small caches let transactions write to the log before they
 *  end. */
function openWriter(path: string, ownPageBytes: number): Database {
  const database = new SqliteDatabase(path)
  database.pragma(`page_size = ${ownPageBytes}`)
  database.pragma('auto_vacuum = INCREMENTAL')
  database.pragma('journal_mode = WAL')
  database.pragma('wal_autocheckpoint = 0')
  database.pragma('cache_size = 10')
  database.exec('CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, key TEXT, bytes BLOB)')
  database.exec('CREATE INDEX IF NOT EXISTS by_key ON rows (key)')
  return database
}

/** Applies what is captured to a copy, as a restore does. */
function createFollower(copy: string) {
  const pages: [number, Uint8Array][] = []
  const ready: { pages: [number, Uint8Array][]; pageCount: number }[] = []
  const lost: string[] = []
  return {
    lost,
    /** How often it was told that all was passed. */
    flushed: () => ready.length,
    /** Drops what precedes another copy. */
    forget: (): void => {
      ready.length = 0
    },
    take: (notice: CaptureNotice): void => {
      if ('lost' in notice) lost.push(notice.lost)
      else if ('pageCount' in notice) ready.push({ pages: pages.splice(0), ...notice })
      else if ('records' in notice)
        for (let at = 0; at < notice.records.length; at += recordBytes) {
          const record = Buffer.from(notice.records.subarray(at, at + recordBytes))
          pages.push([record.readUInt32BE(), record.subarray(4)])
        }
    },
    apply: (): void => {
      const file = openSync(copy, 'r+')
      for (const { pages: own, pageCount } of ready) {
        for (const [number, page] of own)
          writeSync(file, page, 0, pageBytes, (number - 1) * pageBytes)
        truncateSync(copy, pageCount * pageBytes)
      }
      closeSync(file)
    },
  }
}

function contentOf(path: string): unknown[] {
  const database = new SqliteDatabase(path)
  try {
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok')
    return database.prepare('SELECT id, key, hex(bytes) FROM rows').raw().all()
  } finally {
    database.close()
  }
}

interface World {
  path: string
  writers: Database[]
  capture: FrameCapture
  follower: ReturnType<typeof createFollower>
  log: ReturnType<typeof joinSharedLog>
  close(): void
}

/** `others`: called before and after each checkpoint, as other threads act then. `isBusy`: whether
 *  another connection makes a checkpoint. */
function openWorld({
  logPagesMax = 100_000,
  others = () => {},
  isBusy = (): boolean => false,
  ownPageBytes = pageBytes,
} = {}): World {
  const path = newPath()
  const writers = [openWriter(path, ownPageBytes), openWriter(path, ownPageBytes)]
  const log = joinSharedLog(createSharedLog())
  const checkpointer = openCheckpointer(path, log)
  const follower = createFollower(`${path}.copy`)
  const capture = openFrameCapture({
    path,
    capture: 1,
    log,
    makeCheckpoint: () => {
      others()
      const made = isBusy() ? undefined : checkpointer.run()
      others()
      return made
    },
    send: follower.take,
    space: () => new Uint8Array(recordsBytesMax),
    logPagesMax,
  })
  return {
    path,
    writers,
    capture,
    follower,
    log,
    close: () => {
      capture.close()
      checkpointer.close()
      for (const writer of writers) writer.close()
    },
  }
}

function write(database: Database, random: () => number): void {
  const some = Math.floor(random() * 4)
  if (some === 0)
    database.prepare('DELETE FROM rows WHERE id % 3 = ?').run(Math.floor(random() * 3))
  if (some === 1) database.pragma(`incremental_vacuum(${Math.floor(random() * 20)})`)
  if (some === 2)
    database
      .prepare('UPDATE rows SET key = key || 1 WHERE id % 5 = ?')
      .run(Math.floor(random() * 5))
  const insert = database.prepare('INSERT INTO rows (key, bytes) VALUES (?, ?)')
  for (let row = 0; row < random() * 8; row++)
    insert.run(String(random()), Buffer.alloc(random() * 9000, row))
}

/** Copies a file in steps. */
function openCopying(path: string, copy: string) {
  const from = openSync(path, 'r')
  writeFileSync(copy, '')
  const to = openSync(copy, 'r+')
  const piece = Buffer.alloc(3 * pageBytes)
  let at = 0
  return {
    /** Returns whether there was more. */
    step: (): boolean => {
      const read = readSync(from, piece, 0, piece.length, at)
      writeSync(to, piece, 0, read, at)
      at += read
      return read > 0
    },
    close: () => {
      closeSync(from)
      closeSync(to)
    },
  }
}

/** Lets writers, readers, checkpoints and the copying take turns at random. */
function runAtRandom(seed: number): { lost: string[]; copied: unknown[]; is: unknown[] } {
  const random = createRandom(seed)
  let isOver = false
  const world: World = openWorld({
    others: () => {
      const isFree = !isOver && !world.writers[0]!.inTransaction
      if (isFree && random() < 0.4) write(world.writers[1]!, random)
    },
  })
  const { path, writers, capture, follower } = world
  const one = writers[0]!
  const reader = new SqliteDatabase(path, { readonly: true })
  for (let turn = 0; turn < random() * 20; turn++) write(one, random)
  if (random() < 0.5) one.pragma('wal_checkpoint(PASSIVE)')
  capture.checkpoint({ flush: 1, repeat: 0 })
  const copying = openCopying(path, `${path}.copy`)
  let isMore = true
  for (let turn = 0; turn < 150 || isMore; turn++) {
    const which = random()
    if (which < 0.35) write(one, random)
    else if (which < 0.45) {
      // One that writes to the log before it ends.
      one.exec('BEGIN IMMEDIATE')
      for (let part = 0; part < 4; part++) write(one, random)
      if (random() < 0.5) capture.checkpoint({ flush: 1, repeat: 0 })
      if (random() < 0.5) isMore &&= copying.step()
      one.exec(random() < 0.5 ? 'COMMIT' : 'ROLLBACK')
    } else if (which < 0.55) {
      if (reader.inTransaction) reader.exec('COMMIT')
      else {
        reader.exec('BEGIN')
        reader.prepare('SELECT count(*) FROM rows').get()
      }
    } else if (which < 0.75) capture.checkpoint({ flush: 1, repeat: 0 })
    else isMore &&= copying.step()
  }
  copying.close()
  reader.close()
  isOver = true
  capture.checkpoint({ flush: 2, repeat: 0 })
  follower.apply()
  const contents = { lost: follower.lost, copied: contentOf(`${path}.copy`), is: contentOf(path) }
  world.close()
  return contents
}

test('equals the database, however writers, readers, checkpoints and the copying take turns', () => {
  // In the last one, a transaction that began the log again is rolled back.
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20]) {
    const { lost, copied, is } = runAtRandom(seed)
    expect(lost).toEqual([])
    expect(copied).toEqual(is)
  }
})

test('a later copy gets what was captured before it and a reader keeps out of the file', () => {
  const { path, writers, capture, follower, close } = openWorld()
  const [one] = writers
  const random = createRandom(5)
  for (let turn = 0; turn < 5; turn++) write(one!, random)
  capture.checkpoint({ flush: 1, repeat: 0 })
  const reader = new SqliteDatabase(path, { readonly: true })
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM rows').get()
  for (let turn = 0; turn < 5; turn++) write(one!, random)
  capture.checkpoint({ flush: 1, repeat: 0 })
  follower.forget()
  capture.checkpoint({ flush: 2, repeat: 1 })
  copyFileSync(path, `${path}.copy`)
  reader.close()
  capture.checkpoint({ flush: 3, repeat: 1 })
  follower.apply()
  expect(contentOf(`${path}.copy`)).toEqual(contentOf(path))
  close()
})

test('a copy that is made while nothing is written has the length of the database', () => {
  const { path, writers, capture, follower, close } = openWorld()
  write(writers[0]!, createRandom(5))
  capture.checkpoint({ flush: 1, repeat: 0 })
  copyFileSync(path, `${path}.copy`)
  follower.apply()
  expect(contentOf(`${path}.copy`)).toEqual(contentOf(path))
  close()
})

test('nothing is passed, and nothing lost, while another connection makes a checkpoint', () => {
  let isBusy = true
  const { writers, capture, follower, close } = openWorld({ isBusy: () => isBusy })
  write(writers[0]!, createRandom(5))
  expect(capture.checkpoint({ flush: 1, repeat: 0 })).toBe(undefined)
  expect(follower.flushed()).toBe(0)
  isBusy = false
  expect(capture.checkpoint({ flush: 1, repeat: 0 })).toBeDefined()
  expect([follower.flushed(), follower.lost]).toEqual([1, []])
  close()
})

describe('a capture that may have missed pages', () => {
  const addBytes = (database: Database, bytes: number): void => {
    database.prepare('INSERT INTO rows (bytes) VALUES (?)').run(Buffer.alloc(bytes))
  }
  const openReader = ({ name }: Database): Database => {
    const reader = new SqliteDatabase(name, { readonly: true })
    reader.exec('BEGIN')
    reader.prepare('SELECT count(*) FROM rows').get()
    return reader
  }
  const reason = 'the log began again before all of it was read'

  // The log that follows may be shorter than that one, or longer.
  test.each([1000, 400_000])('is lost when somebody else has copied the log, %d', (bytes) => {
    const { writers, capture, follower, close } = openWorld()
    const reader = openReader(writers[0]!)
    addBytes(writers[0]!, 10_000)
    // The reader keeps it from copying all.
    capture.checkpoint({ flush: 1, repeat: 0 })
    reader.close()
    addBytes(writers[0]!, 10_000)
    writers[1]!.pragma('wal_checkpoint(PASSIVE)')
    addBytes(writers[0]!, bytes)
    capture.checkpoint({ flush: 2, repeat: 0 })
    expect(follower.lost).toEqual([reason])
    close()
  })

  test.each([1000, 200_000])(
    'is lost when somebody else has copied what followed a complete copy, %d',
    (bytes) => {
      const { writers, capture, follower, close } = openWorld()
      addBytes(writers[0]!, 10_000)
      // The reader keeps the log from beginning again.
      const reader = openReader(writers[0]!)
      const made = capture.checkpoint({ flush: 1, repeat: 0 })!
      expect(made.copied).toBe(made.pages)
      addBytes(writers[0]!, 200_000)
      addBytes(writers[0]!, 200_000)
      reader.close()
      writers[1]!.pragma('wal_checkpoint(PASSIVE)')
      addBytes(writers[0]!, bytes)
      capture.checkpoint({ flush: 2, repeat: 0 })
      expect(follower.lost).toEqual([reason])
      close()
    },
  )

  test('is lost when somebody else has copied a whole log', () => {
    const { writers, capture, follower, close } = openWorld()
    capture.checkpoint({ flush: 1, repeat: 0 })
    // The log begins again with each, since all of it was copied before.
    addBytes(writers[0]!, 20_000)
    writers[1]!.pragma('wal_checkpoint(PASSIVE)')
    addBytes(writers[0]!, 4000)
    capture.checkpoint({ flush: 2, repeat: 0 })
    expect(follower.lost).toEqual([reason])
    close()
  })

  test('is lost after a failed sync, which makes writers copy the log', () => {
    const { log, capture, follower, close } = openWorld()
    capture.checkpoint({ flush: 1, repeat: 0 })
    log.setFailedSync(true)
    log.setFailedSync(false)
    capture.checkpoint({ flush: 2, repeat: 0 })
    expect(follower.lost).toEqual(['the log could not be synced'])
    close()
  })

  test('is lost when the database cannot be read, and the log keeper goes on', () => {
    const { path, writers, capture, follower, close } = openWorld()
    write(writers[0]!, createRandom(1))
    capture.checkpoint({ flush: 1, repeat: 0 })
    // Its first page is no longer in the log.
    writers[0]!.pragma('wal_checkpoint(TRUNCATE)')
    const file = openSync(path, 'r+')
    writeSync(file, Buffer.alloc(pageBytes, 7), 0, pageBytes, 0)
    closeSync(file)
    writers[0]!.close()
    expect(capture.checkpoint({ flush: 2, repeat: 0 })).toBe(undefined)
    expect(follower.lost).toHaveLength(1)
    expect(capture.checkpoint({ flush: 3, repeat: 0 })).toMatchObject({
      pages: expect.any(Number) as number,
    })
    close()
  })

  test('is lost at once when the pages have another size', () => {
    const { follower, close } = openWorld({ ownPageBytes: 8192 })
    expect(follower.lost).toEqual(['the pages of the database do not have 4096 bytes'])
    close()
  })

  test('is lost when the log is so long that writers copy it', () => {
    const { writers, capture, follower, close } = openWorld({ logPagesMax: 100 })
    for (let turn = 0; turn < 20; turn++) write(writers[0]!, createRandom(7))
    capture.checkpoint({ flush: 1, repeat: 0 })
    expect(follower.lost).toEqual(['the log became too long'])
    // Checkpoints go on.
    expect(capture.checkpoint({ flush: 2, repeat: 0 })).toMatchObject({
      copied: expect.any(Number) as number,
    })
    expect(follower.lost).toHaveLength(1)
    close()
  })
})
