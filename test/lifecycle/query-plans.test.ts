/** No statement of maintenance, reading or uploading scans a whole table: the cost of each
 *  depends on what it is asked for, not on what else is stored. Method: record every statement
 *  that runs and look up its plan. */
import SqliteDatabase from 'better-sqlite3'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { explainDeletion, measureDeletion } from '../../src/lifecycle/collect/deletion.ts'
import { recordUsage } from '../../src/lifecycle/usage-history.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { openSession, seedArtifact, seedRun } from '../metadata/seed.ts'
import { collectInBackground, collectNow, planNow } from './collection.ts'
import { testDirectory } from '../temporary-directory.ts'

/** Walks bounded by something other than a key: each uses a partial index that holds only
 *  pending work. */
const worklists =
  /USING (?:COVERING )?INDEX (?:packs_empty|packs_half_dead|packs_partly_dead|packs_tiny|manifests_dying|manifests_staged|artifacts_uncleared|artifacts_releasable|artifacts_removed|streams_damaged|blobs_damaged|artifacts_damaged)\b/
/** Tables that hold only pending work, the list of migrations, temporary tables, and rows of a
 *  subquery, whose own steps are listed too. */
const worktables =
  /^SCAN (?:\(subquery-\d+\)|t|touched_blobs|altered_streams|sqlite_sequence|sqlite_schema|__drizzle_migrations|g|d)(?!\w)/

test('no statement scans a table', async () => {
  const directory = testDirectory()
  const path = join(directory, 'trove.db')
  // Migrations scan what they change, once.
  await openSqliteMetadata({ path }).close()
  const statements = new Set<string>()
  const metadata = openSqliteMetadata({ path, trace: (sql) => statements.add(sql) })
  const packs = {
    remove: async () => undefined,
    read: async (_name: string, _offset: number, bytes: number) => Buffer.alloc(bytes),
    create: async () => ({
      name: '0'.repeat(32),
      write: async () => undefined,
      seal: async () => ({ name: '0'.repeat(32), sizeBytes: 1000 }),
      abort: async () => undefined,
    }),
  } as unknown as PackStore
  const run = await seedRun(metadata)
  const files = (seed: number): Record<string, string> =>
    Object.fromEntries(
      Array.from({ length: 20 }, (_, n) => [`f${n}`, `${n < 10 ? '' : seed} ${n}`]),
    )
  const ids: number[] = []
  for (let n = 0; n < 6; n++) {
    const expiresAt = n === 0 ? 3000 : 1_000_000
    ids.push((await seedArtifact(metadata, run, files(n), { name: `a${n}`, expiresAt })).id)
  }
  const ports = { metadata, packs, now: () => 5000 }
  const { leases } = await metadata.openReadLeases([ids[1]!], 5000, 1000)
  await metadata.renewReadLeases(leases, 7000)
  await metadata.listReadLeases(5000, 10)
  await explainDeletion(metadata, [ids[2]!], 5000)
  const removal = { state: 'deleted', reason: 'deleted', now: 5000, undoMs: 1000 } as const
  await metadata.removeArtifacts(ids.slice(1, 4), removal)
  await metadata.restoreArtifact(ids[3]!, 5001)
  await planNow(ports)
  await collectInBackground(ports)
  await collectNow(ports)
  await metadata.closeReadLeases(leases)
  await collectNow(ports)
  await metadata.purgeTombstones(6000, 100)
  await recordUsage({ metadata, now: () => 5000 })
  await metadata.listUsage(null, 0)
  const session = await openSession(metadata, run, 5000)
  await metadata.abortSession(session)
  await metadata.figures()
  await metadata.projectFigures(run.projectId)
  await metadata.close()

  const database = new SqliteDatabase(path)
  for (const [table, column] of [
    ['gone_artifacts', 'artifact_id'],
    ['gone_manifests', 'manifest_id'],
    ['asked_manifests', 'manifest_id'],
    ['asked_contents', 'content_id'],
    ['asked_blobs', 'blob_id'],
    ['dying_blobs', 'blob_id'],
    ['dying_composites', 'blob_id'],
    ['dying_streams', 'stream_id'],
  ]) {
    database.exec(
      `CREATE TEMP TABLE ${table} (question INTEGER, ${column} INTEGER, PRIMARY KEY (question, ${column})) WITHOUT ROWID`,
    )
  }
  const scans: string[] = []
  const holderSteps = new Set<string>()
  const explained = [...statements].filter((sql) =>
    /^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)/i.test(sql),
  )
  for (const traced of explained) {
    // SQLite writes infinity in a form that it does not read back.
    const sql = traced.replaceAll(/\bInf\b/g, '9e999')
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[]
    for (const { detail } of plan) {
      if (sql.includes('INTO temp.dying_blobs')) holderSteps.add(detail)
      if (!detail.startsWith('SCAN') || /VIRTUAL TABLE|^SCAN CONSTANT/.test(detail)) continue
      if (!worklists.test(detail) && !worktables.test(detail)) scans.push(`${detail}\n  in ${sql}`)
    }
  }
  database.close()
  expect(explained.length).toBeGreaterThan(60)
  expect(scans).toEqual([])
  // Holders of a file are searched among its newest manifests, without a list of all of them; those
  // that would be gone are skipped by one lookup each.
  const steps = [...holderSteps]
  expect(steps).toContain('SEARCH h USING PRIMARY KEY (question=? AND manifest_id=?)')
  expect(steps.filter((step) => step.includes('TEMP B-TREE'))).toEqual([])
})

// Goal: the cost grows with the number of references, not with its square when every build has the
// same files.
test('whether a file would die is checked once, however many of the artifacts have it', async () => {
  const directory = testDirectory()
  const asked: number[] = []
  const trace = (sql: string): void => {
    const [, ids] = /INTO temp\.dying_blobs[^]*json_each\('(\[.*?\])'\)/.exec(sql) ?? []
    if (ids !== undefined) asked.push(...(JSON.parse(ids) as number[]))
  }
  const metadata = openSqliteMetadata({ path: join(directory, 'trove.db'), trace })
  const run = await seedRun(metadata)
  const ids: number[] = []
  for (let n = 0; n < 20; n++) {
    const files = {
      common: 'in all',
      shared: n < 10 ? 'in half' : 'in the others',
      own: `own ${n}`,
    }
    ids.push((await seedArtifact(metadata, run, files, { name: `a${n}` })).id)
  }
  expect(await measureDeletion(metadata, ids.slice(0, 15), 5000)).toBeGreaterThan(0)
  await metadata.close()
  // In all artifacts, in half, in the others, and 15 of their own.
  expect(asked.length).toBe(18)
  expect(new Set(asked).size).toBe(18)
})
