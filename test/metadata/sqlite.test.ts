import { open, stat } from 'node:fs/promises'
import SqliteDatabase from 'better-sqlite3'
import { expect, onTestFinished, test, vi } from 'vitest'
import { parseArtifactName } from '../../src/core/artifact.ts'
import { type Digest, digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { parseProjectName } from '../../src/core/run/run.ts'
import type { ArtifactFilter, RunFilter } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { metadataContract } from './metadata-contract.ts'
import { whileDiskRefuses } from '../refusing-disk.ts'
import { findBlob } from './find-blob.ts'
import { findScans, firstSteps } from './query-plans.ts'
import { addContents, copyOf, openSession, packOf, seedArtifact, seedRun } from './seed.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase } = temporaryDatabases()
const statements = new Set<string>()
/** Statements that changed rows without having taken the write lock first. */
const unlocked = new Set<string>()

metadataContract('SQLite on the calling thread', (path) => {
  let isLocked = false
  const trace = (sql: string): void => {
    statements.add(sql)
    if (sql.startsWith('BEGIN')) isLocked = sql === 'BEGIN IMMEDIATE'
    else if (/^(COMMIT|ROLLBACK)$/.test(sql)) isLocked = false
    else if (!isLocked && isWrite(sql)) unlocked.add(sql)
  }
  return openSqliteMetadata({ path, trace })
})

/** Temporary tables belong to the connection. */
function isWrite(sql: string): boolean {
  return (
    /^\s*(INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER)\b/i.test(sql) &&
    !/\b(INTO|FROM) temp\.|\bTEMP TABLE\b/.test(sql)
  )
}

/** Plan steps that walk something from end to end, and why it is bounded. */
const boundedScans: RegExp[] = [
  // The list passed by the caller, at most a thousand long; and rows of a subquery over it.
  /^SCAN j VIRTUAL TABLE/,
  /^SCAN \(subquery/,
  // A single row.
  /^SCAN m$/,
  // Ids of projects whose rule has changed, at start and when it changes.
  /^SCAN projects$/,
  // Read completely at start.
  /^SCAN (revoked_(tokens|projects)|people)/,
  /^SCAN __drizzle_migrations$/,
  // Indexes of work in progress or waiting.
  /USING (COVERING )?INDEX (manifests_staged|manifests_dying|artifacts_uncleared|runs_unsettled)/,
  /USING (COVERING )?INDEX (packs_empty|streams_damaged|blobs_damaged|artifacts_damaged|uploads_unfinished)/,
  /^SCAN altered_streams$/,
  /^SCAN sqlite_(schema|sequence)$/,
]

// Goal: every method's cost depends on what it is asked for, not on the size of the store.
// Method: the plans of all statements run by the contract above.
test('no statement reads a table from end to end', async () => {
  expect(statements.size).toBeGreaterThan(200)
  const scans = findScans(await newDatabase(), statements)
  expect(scans.filter(({ step }) => !boundedScans.some((bounded) => bounded.test(step)))).toEqual(
    [],
  )
})

// Goal: a query for a run examines only the artifacts of that run, however many the project has.
test('artifacts of a run are found through the run', async () => {
  const path = await newDatabase()
  const listings = new Set<string>()
  const metadata = openSqliteMetadata({ path, trace: (sql) => listings.add(sql) })
  const page = { limit: 10, offset: 0, now: 1 }
  const filters: ArtifactFilter[] = [
    {},
    { name: 'dist' },
    { attempt: 1 },
    { beforeId: 9 },
    { branch: 'main' },
  ]
  for (const filter of filters)
    for (const state of [{}, { state: 'any' }, { state: 'deleted' }] as const)
      for (const sort of ['newest', 'largest', 'expiring', 'name'] as const)
        await metadata.listArtifacts(
          { projectId: 1, run: 7, ...state, ...filter },
          { ...page, sort },
        )
  await metadata.close()
  const steps = [...firstSteps(path, listings)]
  expect(steps.length).toBeGreaterThan(0)
  for (const step of steps)
    expect(step).toMatch(/^SEARCH runs .*runs_identity \(number=\? AND project_id=\?/)
})

// Goal: a job that looks up the runs of a commit or a pull request does not examine all others.
test('runs of a commit, a pull request and a branch are found through an index of these', async () => {
  const path = await newDatabase()
  const listings = new Set<string>()
  const metadata = openSqliteMetadata({ path, trace: (sql) => listings.add(sql) })
  const indexes: [string, RunFilter][] = [
    ['runs_by_commit (project_id=? AND <expr>=? AND id<?)', { headSha: 'abc' }],
    ['runs_by_pull_request (project_id=? AND pull_request=? AND id<?)', { pullRequest: 3 }],
    ['runs_by_branch (project_id=? AND branch=? AND id<?)', { branch: 'main' }],
    ['runs_by_commit (project_id=? AND <expr>=? AND id<?)', { headSha: 'a', pullRequest: 3 }],
    ['runs_by_pull_request (project_id=? AND pull_request=?', { pullRequest: 3, branch: 'main' }],
  ]
  for (const [index, filter] of indexes) {
    listings.clear()
    await metadata.listRuns(1, { limit: 9, filter: { ...filter, newestAttempts: true } })
    const steps = [...firstSteps(path, listings, /"runs"/)]
    expect(steps.length).toBeGreaterThan(0)
    for (const step of steps.filter((each) => each.includes(' runs ')))
      expect(step).toContain(index)
  }
  await metadata.close()
})

// Goal: nobody waits while what deleting thousands of artifacts would free is measured.
test('no statement of a measurement is about more artifacts than a transaction', async () => {
  const path = await newDatabase()
  const statements: string[] = []
  const metadata = openSqliteMetadata({ path, trace: (sql) => statements.push(sql) })
  const artifactIds = Array.from({ length: 2.5 * limits.transactionRowsMax }, (_, index) => index)
  const rest = { releasableBy: 0, readersHold: false, shared: false, now: 0 }
  await metadata.measureRemoval({ artifactIds, ...rest })
  await metadata.close()
  for (const what of [/INTO temp\.gone_artifacts/, /CROSS JOIN artifacts a ON a\.id = j\.value/])
    expect(statements.filter((sql) => what.test(sql))).toHaveLength(3)
})

// Goal: no transaction reads first and then requests the lock: SQLite refuses that at once,
// whatever the busy timeout, when somebody has written in between.
test('no statement writes without having taken the lock', () => {
  expect([...statements].filter(isWrite).length).toBeGreaterThan(50)
  expect([...unlocked]).toEqual([])
})

test('a database is readable only for the user who created it', async () => {
  const path = await newDatabase()
  const metadata = openSqliteMetadata({ path })
  try {
    for (const suffix of ['', '-wal', '-shm'])
      expect((await stat(path + suffix)).mode & 0o777).toBe(0o600)
  } finally {
    await metadata.close()
  }
})

// Method: a device without any room (full(4)).
test('a copy to a full disk fails with a message that says so', async () => {
  const metadata = openSqliteMetadata({ path: await newDatabase() })
  await expect(metadata.copyTo('/dev/full')).rejects.toMatchObject({ code: 'storage_full' })
  await metadata.close()
})

test('a database that is damaged while it is open is reported as such', async () => {
  const path = await newDatabase()
  const writer = openSqliteMetadata({ path })
  const { id } = await seedArtifact(writer, await seedRun(writer), { a: '1' })
  await writer.close()
  const reader = openSqliteMetadata({ path })
  const { size } = await stat(path)
  // Opening has read the schema on the first pages.
  const file = await open(path, 'r+')
  await file.write(Buffer.alloc(size - 4096, 0xff), 0, size - 4096, 4096)
  await file.close()
  await expect(reader.findArtifact(id)).rejects.toMatchObject({
    code: 'storage_failed',
    message: expect.stringMatching(/^the database cannot be read: .*\(SQLITE_CORRUPT/),
  })
  await reader.close()
})

test('a reader on a disk that accepts no writes keeps what it reads', async () => {
  const metadata = openSqliteMetadata({ path: await newDatabase() })
  const { id } = await seedArtifact(metadata, await seedRun(metadata), { a: '1' })
  const [lease] = await whileDiskRefuses(async () => {
    const { leases, gone } = await metadata.openReadLeases([id], 3_000, 1_000)
    expect(gone).toEqual([])
    await metadata.renewReadLeases(leases, 5_000)
    return leases
  })
  const release = async (): Promise<number> => {
    const page = { after: { at: -1, id: 0 }, limit: 10 }
    return (await metadata.releaseRemoved(4_500, 4_500, page)).released
  }
  await metadata.removeArtifacts([id], { state: 'deleted', reason: 'user', now: 4_500 })
  expect(await release()).toBe(0)
  await metadata.closeReadLeases([lease!])
  expect(await release()).toBe(1)
  await metadata.close()
})

// Goal: what a reader that died leaves in memory does not keep removed artifacts for ever.
test.each(['opened', 'renewed'])(
  'a lease that is %s on a disk that accepts no writes ends at its own time',
  async (when) => {
    const metadata = openSqliteMetadata({ path: await newDatabase() })
    const { id } = await seedArtifact(metadata, await seedRun(metadata), { a: '1' })
    if (when === 'opened')
      await whileDiskRefuses(async () => await metadata.openReadLeases([id], 3_000, 1_000))
    else {
      const { leases } = await metadata.openReadLeases([id], 2_500, 1_000)
      await whileDiskRefuses(async () => {
        await metadata.renewReadLeases(leases, 4_000)
      })
    }
    await metadata.removeArtifacts([id], { state: 'deleted', reason: 'user', now: 3_900 })
    const release = async (now: number): Promise<number> => {
      const page = { after: { at: -1, id: 0 }, limit: 10 }
      return (await metadata.releaseRemoved(now, now, page)).released
    }
    expect([await release(3_999), await release(4_000)]).toEqual([0, 1])
    await metadata.close()
  },
)

// Method: one call has counted and requests the write lock when the other begins, as in two
// threads.
test('rollups found wrong by two concurrent calls are corrected once', async () => {
  const path = await newDatabase()
  const others: Promise<unknown>[] = []
  const other = openSqliteMetadata({ path })
  const trace = (sql: string): void => {
    if (sql === 'BEGIN IMMEDIATE') others.push(other.reconcileRollups())
  }
  const metadata = openSqliteMetadata({ path, trace })
  const database = new SqliteDatabase(path)
  database.exec('UPDATE totals SET packs = 5 WHERE scope = 0')
  database.close()
  const found = [await metadata.reconcileRollups(), ...(await Promise.all(others))]
  expect(found.flat()).toEqual([{ what: 'packs of the store', stored: 5, counted: 0 }])
  expect(await metadata.figures()).toMatchObject({ packs: 0 })
  for (const each of [metadata, other]) await each.close()
})

// Goal: a server that stops does not wait until every row is counted, and what is counted for
// a minute does not keep its thread from writing.
test('rollups are counted in steps on one snapshot', async () => {
  const path = await newDatabase()
  const metadata = openSqliteMetadata({ path })
  const run = await seedRun(metadata)
  const stop = new AbortController()
  const stopped = metadata.reconcileRollups(stop.signal)
  stop.abort(new Error('the server stops'))
  await expect(stopped).rejects.toThrow('the server stops')
  const counted = metadata.reconcileRollups()
  await seedArtifact(metadata, run, { a: 'content' })
  expect(await counted).toEqual([])
  expect(await metadata.reconcileRollups()).toEqual([])
  await metadata.close()
})

test('the rollups of packs in each step are compared', async () => {
  const path = await newDatabase()
  const metadata = openSqliteMetadata({ path })
  const session = await openSession(metadata, await seedRun(metadata))
  const names: string[] = []
  for (let n = 0; n < 120; n++) {
    const { pack, copies } = packOf([copyOf(`copy ${n}`), copyOf(`other ${n}`)])
    await metadata.addPack(session, pack, copies)
    names.push(pack.name)
  }
  expect(await metadata.reconcileRollups()).toEqual([])
  const wrong = [1, 49, 50, 51, 100, 120].map((id) => names[id - 1]!)
  const database = new SqliteDatabase(path)
  for (const name of wrong)
    database.prepare('UPDATE packs SET live_count = 3 WHERE name = ?').run(name)
  database.close()
  expect(await metadata.reconcileRollups()).toEqual(
    wrong.map((name) => ({ what: `live_count of pack ${name}`, stored: 3, counted: 2 })),
  )
  expect(await metadata.reconcileRollups()).toEqual([])
  await metadata.close()
})

// Method: the clock moves by a millisecond with each look, so a transaction ends after a few steps.
test('damage of a file of many removed artifacts is judged in short transactions', async () => {
  const path = await newDatabase()
  let statements = 0
  let most = 0
  const trace = (sql: string): void => {
    statements = sql.startsWith('BEGIN') ? 0 : statements + 1
    if (sql === 'COMMIT') most = Math.max(most, statements)
  }
  const metadata = openSqliteMetadata({ path, trace })
  const run = await seedRun(metadata)
  const ids: number[] = []
  for (let n = 0; n < 150; n++) {
    const files = { licence: 'in all', own: `own ${n}` }
    ids.push((await seedArtifact(metadata, run, files, { name: `a${n}` })).id)
  }
  const end = { state: 'deleted', reason: 'test', now: 2500, undoMs: 9000 } as const
  await metadata.removeArtifacts(ids.slice(0, -1), end)
  const { copy } = (await findBlob(path, digestOf('in all')))!
  let clock = 0
  vi.spyOn(performance, 'now').mockImplementation(() => clock++)
  onTestFinished(() => {
    vi.restoreAllMocks()
  })
  most = 0
  await metadata.markDamaged(copy!)
  expect(most).toBeLessThan(150)
  expect(await metadata.findArtifact(ids.at(-1)!)).toMatchObject({ state: 'damaged' })
  await metadata.close()
})

// Method: the session ends, as through a request on another thread, when the second of twenty
// transactions begins.
test('nothing is added to a composite whose session has ended', async () => {
  const path = await newDatabase()
  const other = openSqliteMetadata({ path })
  let begun = 0
  let added = 0
  let ending: Promise<void> | undefined
  const trace = (sql: string): void => {
    if (sql === 'BEGIN IMMEDIATE') begun += 1
    if (begun === 2) ending ??= other.abortSession(session)
    if (/^\s*INSERT INTO composite_parts/.test(sql)) added += 1
  }
  const metadata = openSqliteMetadata({ path, trace })
  const session = await openSession(other, await seedRun(other))
  await addContents(other, session, ['x'])
  const { digest, sizeBytes, crc32 } = copyOf('x'.repeat(20_000)).blob
  const parts = Array<Digest>(20_000).fill(digestOf('x'))
  const adding = metadata.addComposite(session, { digest, sizeBytes, crc32, parts })
  await expect(adding).rejects.toMatchObject({ code: 'session_ended' })
  expect(added).toBe(1)
  await ending
  for (const each of [metadata, other]) await each.close()
})

// Method: all but the last are inserted as rows, since each revocation counts those before it.
test('the number of individually revoked tokens of a project is bounded, not counting those of others and sessions', async () => {
  const path = await newDatabase()
  const metadata = openSqliteMetadata({ path })
  const [project, other] = ['octo/app', 'octo/other'].map(parseProjectName)
  const token = { project: project!, holder: null, isSession: false, issuedAt: 5, endsAt: 10 }
  const database = new SqliteDatabase(path)
  database.exec(`
    WITH RECURSIVE ids (id) AS (VALUES (1) UNION ALL SELECT id + 1 FROM ids LIMIT ${limits.revokedTokensMax - 1})
    INSERT INTO revoked_tokens (id, project, is_session, issued_at, ends_at)
    SELECT id, 'octo/app', 0, 5, 10 FROM ids`)
  database.close()
  await metadata.revokeToken({ ...token, id: 'last' })
  await expect(metadata.revokeToken({ ...token, id: 'one more' })).rejects.toMatchObject({
    code: 'too_large',
  })
  // Revoking a revoked token again needs no room.
  await metadata.revokeToken({ ...token, id: '1' })
  await metadata.revokeToken({ ...token, id: 'b', project: other! })
  await metadata.revokeToken({ ...token, id: 's', isSession: true })
  await metadata.revokeToken({ ...token, id: 'p', holder: 'jane' })
  expect((await metadata.listRevocations()).tokens).toHaveLength(limits.revokedTokensMax + 3)
  await metadata.close()
})

// Goal: uploads share a disk, and each sync makes the others wait. Method: SQLite is told whether
// to sync before a transaction begins.
test('a new run is not synced by itself, only with what is written for it', async () => {
  const path = await newDatabase()
  const statements: string[] = []
  const metadata = openSqliteMetadata({ path, trace: (sql) => statements.push(sql) })
  await metadata.ensureProject(parseProjectName('octo/app'), 1)
  const syncs = (): string[] => statements.filter((sql) => sql.includes('synchronous'))
  statements.length = 0
  const run = await seedRun(metadata, { project: 'octo/app' })
  expect(syncs()).toEqual(['PRAGMA synchronous = NORMAL'])
  await metadata.createUpload({
    id: 'u',
    runId: run.id,
    job: 'build',
    name: parseArtifactName('a'),
    mimeType: null,
    requestedExpiresAt: null,
    now: 1,
    takeoverMs: 1,
    onConflict: 'reject',
  })
  expect(syncs().at(-1)).toBe('PRAGMA synchronous = FULL')
  await metadata.close()
})
