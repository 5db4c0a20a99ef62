/** Many artifacts of one run and of one tree. Method: all but one are copies of its row. */
import SqliteDatabase from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { seedArtifact, seedRun } from './seed.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase } = temporaryDatabases()
const max = limits.artifactsPerRunMax

test('a run has at most the allowed number of artifacts, however they are added', async () => {
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
  // Artifacts of another attempt do not count.
  await seedArtifact(metadata, await seedRun(metadata, { attempt: 2 }), { a: '1' })
  const end = { state: 'deleted', reason: 'user', now: 3_000, undoMs: 1_000 } as const
  expect(await metadata.removeArtifacts([first.id], end)).toEqual([first.id])
  await upload('another')
  await expect(metadata.restoreArtifact(first.id, 3_500)).rejects.toMatchObject(refused)
})

test('expired artifacts do not count, even before a sweep', async () => {
  const path = await newDatabase()
  const metadata = openSqliteMetadata({ path })
  onTestFinished(() => metadata.close())
  const run = await seedRun(metadata)
  await seedArtifact(metadata, run, { a: '1' }, { expiresAt: 2_500 })
  copyArtifact(path, max - 1)
  const later = { name: 'later', createdAt: 2_500, now: 2_500 }
  expect(await seedArtifact(metadata, run, { a: '2' }, later)).toMatchObject({ name: 'later' })
})

// Goal: releasing a tree made by thousands of builds does not examine all of them for each.
test('releasing removed artifacts of one tree takes time linear in their number, in any order and beside a reader', async () => {
  const path = await newDatabase()
  const metadata = openSqliteMetadata({ path })
  onTestFinished(() => metadata.close())
  const { id } = await seedArtifact(metadata, await seedRun(metadata), { a: '1' })
  const count = 20_000
  copyArtifact(path, count - 1)
  await metadata.openReadLeases([id], 3_000, 10_000)
  // In the order in which the pages of a list show them.
  for (let first = count - 1000, now = 3_000; first >= 0; first -= 1000) {
    const ids = Array.from({ length: 1000 }, (_, index) => id + first + index)
    await metadata.removeArtifacts(ids, { state: 'deleted', reason: 'user', now: now++, undoMs: 1 })
  }
  const startedAt = performance.now()
  const page = { after: { at: -1, id: 0 }, limit: count }
  const outcome = await metadata.releaseRemoved(4_000, 4_000, page)
  expect(outcome).toMatchObject({ released: count - 1, waiting: [id] })
  // Quadratic time takes a hundred.
  expect(performance.now() - startedAt).toBeLessThan(15_000)
})

// Goal: measuring a removal does not examine all artifacts of a tree for each file shared with
// another tree.
test('measuring what artifacts of one tree free takes time linear in their number and in that of their files', async () => {
  const path = await newDatabase()
  const metadata = openSqliteMetadata({ path })
  onTestFinished(() => metadata.close())
  const run = await seedRun(metadata)
  const files = Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`f${n}`, `${n}`]))
  const kept = await seedArtifact(metadata, run, files)
  const count = 10_000
  copyArtifact(path, count)
  const other = await seedRun(metadata, { number: 2 })
  const { id } = await seedArtifact(metadata, other, { ...files, own: 'own' })
  const alike = Array.from({ length: count }, (_, index) => kept.id + 1 + index)
  const question = {
    releasableBy: Infinity,
    readersHold: false,
    shared: false,
    now: 3_000,
  }
  const measure = async (artifactIds: number[]): Promise<number[]> => {
    const startedAt = performance.now()
    const { packs } = await metadata.measureRemoval({ ...question, artifactIds })
    // Time proportional to the product takes half a minute.
    expect(performance.now() - startedAt).toBeLessThan(5000)
    return packs.map((pack) => pack.dyingCount)
  }
  expect(await measure([...alike, id])).toEqual([1])
  const removal = { state: 'deleted', reason: 'user', now: 3_000, undoMs: 1_000 } as const
  await metadata.removeArtifacts([kept.id, ...alike], removal)
  expect((await measure([id])).toSorted((a, b) => a - b)).toEqual([1, 2000])
})

// Goal: facts that arrive late for a run with thousands of artifacts block nobody. Method: count
// the artifacts moved per transaction.
test('the artifacts of a run move to its branch in short transactions', async () => {
  const path = await newDatabase()
  const moved: number[] = []
  const trace = (sql: string): void => {
    if (sql === 'BEGIN IMMEDIATE') moved.push(0)
    if (sql.startsWith('UPDATE artifacts SET latest_of')) moved.push(moved.pop()! + 1)
  }
  const metadata = openSqliteMetadata({ path, trace })
  onTestFinished(() => metadata.close())
  await seedArtifact(metadata, await seedRun(metadata), { a: '1' })
  const count = 4000
  copyArtifact(path, count - 1)
  await seedRun(metadata, { branch: 'main' })
  expect(moved.reduce((sum, each) => sum + each, 0)).toBe(count)
  expect(Math.max(...moved)).toBeLessThan(count / 2)
})

/** Copies the only artifact of a database `count` times, under other names. */
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
