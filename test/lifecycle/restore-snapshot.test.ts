/** Restores of metadata snapshots that are interrupted; others: clients/snapshot.slow.test.ts. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import SqliteDatabase from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { restoreSnapshot } from '../../src/lifecycle/snapshot/restore-snapshot.ts'
import { openS3Bucket } from '../../src/packs/s3/s3-bucket.ts'
import { placeIn, startFakeS3 } from '../packs/fake-s3.ts'
import { testDirectory } from '../temporary-directory.ts'

function databaseOf(text: string): Buffer {
  const database = new SqliteDatabase(':memory:')
  database.exec(`CREATE TABLE texts (text); INSERT INTO texts VALUES ('${text}')`)
  return database.serialize()
}

/** A process that is killed leaves the log of the database that it worked on. */
async function beKilled(staged: string): Promise<void> {
  const database = new SqliteDatabase(staged)
  database.pragma('journal_mode = WAL')
  database.exec(`UPDATE texts SET text = 'killed'`)
  const log = readFileSync(`${staged}-wal`)
  database.close()
  writeFileSync(`${staged}-wal`, log)
  throw new Error('killed')
}

test('the log that a killed restore leaves does not get into the next one', async () => {
  const fake = await startFakeS3()
  const bucket = await openS3Bucket(placeIn(fake))
  onTestFinished(async () => {
    bucket.close()
    await fake.close()
  })
  const take = (number: number, text: string): void => {
    const key = `ci/metadata/${String(number).padStart(10, '0')}.db.gz`
    fake.objects.set(key, { bytes: gzipSync(databaseOf(text)), modifiedAt: 0 })
  }
  const path = join(testDirectory(), 'trove.db')
  const { signal } = new AbortController()
  take(1, 'older')
  await expect(restoreSnapshot(bucket, { path, complete: beKilled, signal })).rejects.toThrow(
    'killed',
  )
  take(2, 'newer')
  const read = async (file: string): Promise<void> => {
    const database = new SqliteDatabase(file)
    expect(database.prepare('SELECT text FROM texts').pluck().get()).toBe('newer')
    database.close()
  }
  await restoreSnapshot(bucket, { path, complete: read, signal })
  await read(path)
})
