/** Many artifacts of one run, and of one tree. Method: all but one are copies of its row. */
import SqliteDatabase from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite.ts'
import { seedArtifact, seedRun } from './seed.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase } = temporaryDatabases()
const max = limits.artifactsPerRunMax

test('a run has no more artifacts than it may, however they come', async () => {
  const path = await newDatabase()
  const metadata = openSqliteMetadata({ path })
  onTestFinished(() => metadata.close())
  const run = await seedRun(metadata)
  const upload = async (name: string, onConflict: 'reject' | 'replace' = 'reject') =>
    await seedArtifact(metadata, run, { a: name }, { name, onConflict })
  const first = await upload('dist')
  copyArtifact(path, max - 2)
  await upload('last')
  const refused = { code: 'too_large', details: { limitValue: max } }
  await expect(upload('one more')).rejects.toMatchObject(refused)

  await upload('last', 'replace')
  // Those of another attempt are not counted with them.
  await seedArtifact(metadata, await seedRun(metadata, { attempt: 2 }), { a: '1' })
  const end = { state: 'deleted', reason: 'user', now: 3_000, undoMs: 1_000 } as const
  expect(await metadata.removeArtifacts([first.id], end)).toEqual([first.id])
  await upload('another')
  await expect(metadata.restoreArtifact(first.id, 3_500)).rejects.toMatchObject(refused)
})

test('what has expired is not counted, even before it is swept', async () => {
  const path = await newDatabase()
  const metadata = openSqliteMetadata({ path })
  onTestFinished(() => metadata.close())
  const run = await seedRun(metadata)
  await seedArtifact(metadata, run, { a: '1' }, { expiresAt: 2_500 })
  copyArtifact(path, max - 1)
  const later = { name: 'later', createdAt: 2_500, now: 2_500 }
  expect(await seedArtifact(metadata, run, { a: '2' }, later)).toMatchObject({ name: 'later' })
})

// Goal: a tree that thousands of builds made is let go of without looking at all of them for each.
test('removed artifacts of one tree are released in time that grows as their number', async () => {
  const path = await newDatabase()
  const metadata = openSqliteMetadata({ path })
  onTestFinished(() => metadata.close())
  const { id } = await seedArtifact(metadata, await seedRun(metadata), { a: '1' })
  const count = 20_000
  copyArtifact(path, count - 1)
  const ids = Array.from({ length: count }, (_, index) => id + index)
  await metadata.removeArtifacts(ids, { state: 'deleted', reason: 'user', now: 3_000, undoMs: 1 })
  const startedAt = performance.now()
  const page = { after: { at: -1, id: 0 }, limit: count }
  expect(await metadata.releaseRemoved(4_000, 4_000, page)).toMatchObject({ released: count })
  // The square takes fifteen seconds and more.
  expect(performance.now() - startedAt).toBeLessThan(8000)
})

/** Gives the only artifact of a database so many copies, of other names. */
function copyArtifact(path: string, count: number): void {
  const database = new SqliteDatabase(path)
  const columns = database
    .prepare<[], string>(
      `SELECT name FROM pragma_table_info('artifacts') WHERE name NOT IN ('id', 'name')`,
    )
    .pluck()
    .all()
    .join(', ')
  database.exec(`INSERT INTO artifacts (name, ${columns})
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    SELECT 'copy-' || i, ${columns} FROM n, artifacts`)
  database.close()
}
