/** Copies of a database that is in use. */
import SqliteDatabase from 'better-sqlite3'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase, newPath } = temporaryDatabases()
const MiB = 1024 * 1024

/** A database of 20 MiB that belongs to somebody else too, and a function that commits a row of
 *  theirs. */
async function openShared() {
  const path = await newDatabase()
  const other = new SqliteDatabase(path)
  other.pragma('synchronous = OFF')
  other.exec(`CREATE TABLE filler (bytes BLOB); INSERT INTO filler VALUES (zeroblob(20 * ${MiB}));
    CREATE TABLE notes (number INTEGER)`)
  const add = other.prepare('INSERT INTO notes VALUES (1)')
  const metadata = openSqliteMetadata({ path })
  return {
    metadata,
    write: () => {
      add.run()
    },
    close: async () => {
      other.close()
      await metadata.close()
    },
  }
}

test('a copy has what there was when it began and ends, though somebody commits between any two of its steps', async () => {
  const { metadata, write, close } = await openShared()
  write()
  const target = newPath()
  let isOver = false
  const copying = metadata.copyTo(target).finally(() => {
    isOver = true
  })
  while (!isOver) {
    write()
    await nextTurn()
  }
  expect(await copying).toBe(0)
  await close()
  const copy = new SqliteDatabase(target, { readonly: true })
  expect(copy.pragma('integrity_check', { simple: true })).toBe('ok')
  // The row before it began; the first one of the loop came after.
  expect(copy.prepare('SELECT count(*) FROM notes').pluck().get()).toBe(1)
  copy.close()
})

test('a copy is a single file, though the database is one with a log', async () => {
  const { metadata, close } = await openShared()
  const target = newPath()
  await metadata.copyTo(target)
  await close()
  expect(await readdir(dirname(target))).toEqual([basename(target)])
  // sqlite.org/fileformat2.html §1.3.3: 1 is a rollback journal, 2 is WAL.
  expect([...(await readFile(target)).subarray(18, 20)]).toEqual([1, 1])
})

test('a copy can be stopped between two of its steps', async () => {
  const { metadata, close } = await openShared()
  const target = newPath()
  const stop = new AbortController()
  const copying = metadata.copyTo(target, stop.signal)
  copying.catch(() => {})
  await nextTurn()
  stop.abort(new Error('stopped'))
  await expect(copying).rejects.toThrow('stopped')
  expect((await stat(target)).size).toBeLessThan(16 * MiB)
  // Nothing of it holds the database.
  await metadata.copyTo(newPath())
  await close()
})

// Method: pages in the middle of a table are overwritten behind SQLite's back.
test('a database that is damaged is not copied as if it were sound', async () => {
  const path = await newDatabase()
  const other = new SqliteDatabase(path)
  other.exec(`CREATE TABLE notes (text TEXT);
    INSERT INTO notes WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000)
      SELECT hex(zeroblob(100)) FROM n`)
  other.close()
  const file = await open(path, 'r+')
  const { size } = await file.stat()
  await file.write(Buffer.alloc(8192, 0xff), 0, 8192, size - 16_384)
  await file.close()
  const metadata = openSqliteMetadata({ path })
  await expect(metadata.copyTo(newPath())).rejects.toMatchObject({
    code: 'storage_failed',
    message: expect.stringMatching(/database (?:is damaged|cannot be read)/) as string,
  })
  await metadata.close()
})
