/** Lists, sums and searches of a project with more artifacts than one statement covers. Method:
 *  rows are inserted directly, and the expected result of a filter and an order is computed from
 *  all of them. */
import SqliteDatabase from 'better-sqlite3'
import { copyFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { ArtifactSort } from '../../src/core/manifest/artifact-order.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import type { ArtifactFilter, Metadata } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { endOfTime } from '../../src/metadata/sqlite/artifacts/latest.ts'
import { firstSteps } from './query-plans.ts'
import { temporaryDatabases } from './temporary-database.ts'
import { turns } from '../turns.ts'

const artifactCount = 12_500
const runCount = 3000
const now = 1_000_000
const dayMs = 86_400_000
const { newDatabase } = temporaryDatabases()

interface Row {
  id: number
  projectId: number
  run: number
  branch: string | null
  workflow: string
  name: string
  state: string
  manifestId: number
  newBytes: number
  logicalBytes: number
  createdAt: number
  endsAt: number
  pinned: number
  removedAt: number | null
}

let path: string
let metadata: Metadata
let rows: Row[]
const statements = new Set<string>()

beforeAll(async () => {
  path = await newDatabase()
  rows = fill(path)
  metadata = openSqliteMetadata({ path, trace: (sql) => statements.add(sql) })
})
afterAll(async () => {
  await metadata.close()
})

/** A number that looks random and is the same in every run. */
function mix(number: number): number {
  return (Math.imul(number, 2_654_435_761) >>> 0) % 1_000_003
}

function branchOf(run: number): string | null {
  if (run % 7 === 0) return null
  // One branch with most runs, one with some hundreds, others with a few.
  if (run % 2 === 0) return 'main'
  return run % 5 === 1 ? 'release' : `branch-${run % 400}`
}

function artifactOf(id: number): Row {
  const run = 1 + Math.floor((id * runCount) / (artifactCount + 1))
  const isRemoved = id % 5 === 0
  const isPinned = id % 1000 === 7
  const states = ['available', 'available', 'available', 'damaged']
  return {
    id,
    projectId: run % 10 === 0 ? 2 : 1,
    run,
    branch: branchOf(run),
    workflow: run === 1 ? 'first' : 'build',
    name: id % 3 === 0 ? `n-${id}` : ['dist', 'Logs', '\u{1f4e6}', '\uff5e'][id % 4]!,
    state: isRemoved ? (id % 2 === 0 ? 'deleted' : 'expired') : states[mix(id) % 4]!,
    manifestId: 1 + (id % 4),
    newBytes: mix(id) % 50,
    logicalBytes: mix(id + 1) % 1000,
    createdAt: id * 1000,
    endsAt: isPinned ? endOfTime : id % 11 === 0 ? now : now + (mix(id + 2) % 100),
    pinned: isPinned ? 1 : 0,
    removedAt: isRemoved ? now - 1 : null,
  }
}

function fill(file: string): Row[] {
  const database = new SqliteDatabase(file)
  database.pragma('foreign_keys = OFF')
  const all = Array.from({ length: artifactCount }, (_, index) => artifactOf(index + 1))
  database.transaction(() => {
    database.exec(`INSERT INTO projects (id, owner_repo, created_at) VALUES (1, 'a/b', 0), (2, 'c/d', 0);
      INSERT INTO blobs (id, digest, size_bytes, crc32, state, project_id, part_count, joined_bytes)
        VALUES (1, x'${digestOf('common')}', 1, 0, 0, 1, 0, 1)`)
    const manifest = database.prepare(
      `INSERT INTO manifests (id, project_id, tree_digest, entry_count, file_count, logical_bytes, state, page_count,
         staged_entries, fresh_bytes, project_fresh_bytes) VALUES (?, 1, ?, 1, 1, 1, 1, 1, 1, 0, 0)`,
    )
    for (let id = 1; id <= 4; id++) manifest.run(id, Buffer.alloc(32, id))
    // All artifacts except those of the last manifest have the file.
    for (let id = 1; id <= 3; id++)
      database.exec(`INSERT INTO "references" VALUES (${id}, 1, 1), (${id}, 2, 1)`)
    const run = database.prepare(
      `INSERT INTO runs (id, project_id, number, attempt, branch, workflow, created_at) VALUES (?, ?, ?, 1, ?, ?, 0)`,
    )
    for (let id = 1; id <= runCount; id++)
      run.run(id, id % 10 === 0 ? 2 : 1, id, branchOf(id), id === 1 ? 'first' : 'build')
    const artifact = database.prepare(
      `INSERT INTO artifacts (id, project_id, run_id, job, name, state, kind, mime_type, manifest_id, zip_bytes, tar_gz_bytes,
         new_bytes, logical_bytes, created_at, expires_at, pinned, ends_at, removed_at, version)
       VALUES (@id, @projectId, @run, 'build', @name || '@' || @id, @state, 'tree', '', @manifestId, 1, 1, @newBytes,
         @logicalBytes, @createdAt, @endsAt, @pinned, @endsAt, @removedAt, 1)`,
    )
    for (const row of all) artifact.run(row)
    for (const scope of [0, 1, 2]) insertTotals(database, scope, all)
    // Names are unique within a run, but the test needs lists with repeated names.
    database.exec(`DROP INDEX artifacts_held_name; UPDATE artifacts SET name = substr(name, 1, instr(name, '@') - 1);
      CREATE INDEX artifacts_held_name ON artifacts (run_id, name) WHERE removed_at IS NULL`)
  })()
  database.close()
  return all
}

function insertTotals(database: SqliteDatabase.Database, scope: number, all: Row[]): void {
  const live = all.filter(({ projectId, removedAt }) => {
    const isInScope = scope === 0 || projectId === scope
    return isInScope && removedAt === null
  })
  const sum = (field: 'logicalBytes' | 'newBytes'): number =>
    live.reduce((bytes, row) => bytes + row[field], 0)
  database
    .prepare(
      'INSERT OR REPLACE INTO totals (scope, artifacts, logical_bytes, new_bytes) VALUES (?, ?, ?, ?)',
    )
    .run(scope, live.length, sum('logicalBytes'), sum('newBytes'))
}

function passes(row: Row, filter: ArtifactFilter): boolean {
  const isLive = row.removedAt === null && row.endsAt > now
  const states: Record<string, boolean> = {
    any: true,
    deleted: row.state === 'deleted',
    damaged: isLive && row.state === 'damaged',
    expired: row.state === 'expired' || (row.removedAt === null && row.endsAt <= now),
  }
  const { projectId, projectIds, run, name, branch, workflow, nameContains, pinned, manifestId } =
    filter
  const { createdSince, createdBefore, beforeId, ids } = filter
  return (
    (filter.state === undefined ? isLive : states[filter.state]!) &&
    (projectId === undefined || row.projectId === projectId) &&
    (projectIds === undefined || projectIds.includes(row.projectId)) &&
    (run === undefined || row.run === run) &&
    (name === undefined || row.name === name) &&
    (branch === undefined || row.branch === branch) &&
    (workflow === undefined || row.workflow === workflow) &&
    (createdSince === undefined || row.createdAt >= createdSince) &&
    (createdBefore === undefined || row.createdAt < createdBefore) &&
    (nameContains === undefined || row.name.toLowerCase().includes(nameContains)) &&
    (pinned === undefined || (row.pinned === 1) === pinned) &&
    (manifestId === undefined || row.manifestId === manifestId) &&
    (beforeId === undefined || row.id < beforeId) &&
    (ids === undefined || ids.includes(row.id))
  )
}

/** `n-7` comes before `n-10`: text compares by its bytes in UTF-8, digits by their numeric
 *  value. */
function byName(a: Row, b: Row): number {
  const text = ({ name }: Row): Buffer => Buffer.from(name.replace(/\d+$/, ''))
  const number = ({ name }: Row): number => Number(/\d*$/.exec(name)![0])
  return Buffer.compare(text(a), text(b)) || number(a) - number(b)
}

const orders: Record<ArtifactSort, (a: Row, b: Row) => number> = {
  newest: (a, b) => b.id - a.id,
  oldest: (a, b) => a.id - b.id,
  largest: (a, b) => b.logicalBytes - a.logicalBytes || b.id - a.id,
  expiring: (a, b) => a.endsAt - b.endsAt || a.id - b.id,
  costliest: (a, b) => b.newBytes - a.newBytes || b.id - a.id,
  name: (a, b) => byName(a, b) || b.id - a.id,
}
const sorts = Object.keys(orders) as ArtifactSort[]

/** Values to filter by; each appears in some of the filters. */
const values: { [Field in keyof ArtifactFilter]: NonNullable<ArtifactFilter[Field]>[] } = {
  projectId: [1, 2, 3],
  projectIds: [[2], [2, 1], [3, 2], []],
  run: [1, 77, 9999],
  name: ['dist', 'n-6', 'none'],
  branch: ['main', 'release', 'branch-3', 'none'],
  workflow: ['build', 'first', 'none'],
  createdSince: [0, 6_000_000, artifactCount * 1000 + 1],
  createdBefore: [0, 6_000_000],
  nameContains: ['log', 'n-1', 'none'],
  pinned: [true, false],
  manifestId: [1, 4],
  beforeId: [1, 6000, artifactCount],
  ids: [[5, 6, 7, 9999]],
  state: ['damaged', 'deleted', 'expired', 'any'],
}
const filters = fc.record(
  Object.fromEntries(
    Object.entries(values).map(([field, each]) => [
      field,
      // Most filters name a project and little else.
      fc.oneof(
        { weight: field === 'projectId' ? 1 : 8, arbitrary: fc.constant(undefined) },
        { weight: 3, arbitrary: fc.constantFrom<unknown>(...each) },
      ),
    ]),
  ),
) as fc.Arbitrary<ArtifactFilter>

test('a page holds the matching artifacts in order, and the sums cover all of them', async () => {
  const offsets = fc.oneof(fc.constantFrom(0, 9_990, 10_000, 12_000), fc.nat(artifactCount))
  const property = fc.asyncProperty(
    filters,
    fc.constantFrom(...sorts),
    offsets,
    fc.integer({ min: 1, max: 200 }),
    async (filter, sort, offset, limit) => {
      const passing = rows.filter((row) => passes(row, filter)).sort(orders[sort])
      const page = { limit, offset, sort, now }
      const { artifacts, total } = await metadata.listArtifacts(filter, page)
      const wanted = passing.slice(offset, offset + limit).map(({ id }) => id)
      expect(artifacts.map(({ id }) => id)).toEqual(wanted)
      expect(total).toBe(passing.length)
      expect(await metadata.countArtifacts(filter, now)).toBe(passing.length)
      const sum = (field: 'logicalBytes' | 'newBytes'): number =>
        passing.reduce((bytes, row) => bytes + row[field], 0)
      expect(await metadata.sumArtifacts(filter, now)).toEqual({
        artifacts: passing.length,
        logicalBytes: sum('logicalBytes'),
        newBytes: sum('newBytes'),
      })
    },
  )
  // Every order at least once, however few the runs.
  const examples = sorts.map((sort): [ArtifactFilter, ArtifactSort, number, number] => [
    {},
    sort,
    5000,
    200,
  ])
  await fc.assert(property, { numRuns: turns(150) + sorts.length, examples })
})

// Goal: no other request waits while thousands of rows are scanned.
test.each<[string, () => Promise<unknown>]>([
  ['a sum', () => metadata.sumArtifacts({ projectId: 1, pinned: false }, now)],
  ['what has expired', () => metadata.sumArtifacts({ projectId: 1 }, now + 50)],
  ['an order', () => page({ projectId: 1 }, 'largest')],
  ['a name that nothing has', () => page({ projectId: 1, nameContains: 'none' }, 'newest')],
  ['deleted artifacts', () => page({ projectId: 1, state: 'deleted' }, 'name')],
  ['a branch with many runs', () => page({ projectId: 1, branch: 'main' }, 'oldest')],
  ['a tree', () => page({ manifestId: 1 }, 'newest', 3000)],
  ['the whole store', () => page({}, 'costliest')],
  ['days', () => metadata.listUploadDays(1, 0)],
  ['workflows of runs', () => metadata.listRunFacts(1, 'workflow', 10)],
  ['runs of a workflow', () => metadata.listRuns(1, { limit: 9, filter: { workflow: 'none' } })],
])('another call is served during a query for %s', async (_what, look) => {
  const order: string[] = []
  const looking = look().then(() => order.push('looking'))
  await metadata.findArtifact(1).then(() => order.push('another'))
  await looking
  expect(order).toEqual(['another', 'looking'])
})

async function page(filter: ArtifactFilter, sort: ArtifactSort, offset = 0): Promise<unknown> {
  return await metadata.findArtifacts(filter, { limit: 10, offset, sort, now })
}

// Goal: each statement scans one stretch of the index it walks, and nothing else.
test('artifacts are walked along an index by id', async () => {
  statements.clear()
  const each: ArtifactFilter[] = [
    {},
    { name: 'dist' },
    { name: 'dist', latestOf: 'main' },
    { nameContains: 'n' },
    { pinned: true },
    { pinned: true, keptLatest: true },
    { beforeId: 9000 },
    { manifestId: 1 },
    { branch: 'main' },
    { branch: 'branch-3' },
  ]
  for (const filter of each)
    for (const project of [{}, { projectId: 1 }, { projectIds: [2, 1] }])
      for (const state of [
        {},
        { state: 'any' },
        { state: 'deleted' },
        { state: 'damaged' },
      ] as const)
        for (const sort of sorts) await page({ ...project, ...filter, ...state }, sort, 50)
  const steps = [...firstSteps(path, statements)]
  expect(steps.length).toBeGreaterThan(8)
  const index = '(?:COVERING )?INDEX'
  const byId = [
    `^SEARCH artifacts USING ${index} artifacts_(live|gone|by_name|latest) \\(project_id=`,
    `^SEARCH artifacts USING ${index} artifacts_ending \\(ends_at=`,
    `^SEARCH artifacts USING ${index} artifacts_by_manifest \\(`,
    '^SEARCH artifacts USING INTEGER PRIMARY KEY \\(',
    // Artifacts of a few runs.
    `^SEARCH artifacts USING ${index} artifacts_by_run \\(run_id=`,
    '^SEARCH runs USING INTEGER PRIMARY KEY \\(rowid=',
    // A partial index that has nothing else.
    `^(?:SCAN|SEARCH) artifacts USING ${index} artifacts_damaged\\b`,
  ].map((pattern) => new RegExp(pattern))
  expect(steps.filter((step) => !byId.some((pattern) => pattern.test(step)))).toEqual([])
  // Of two bounds on the same side SQLite uses one, and scans everything before the other.
  const twice = /(?<!\+)"artifacts"\."id" (<|>).* (?:and|AND) \(*"artifacts"\."id" \1/
  expect([...statements].filter((sql) => twice.test(sql))).toEqual([])
})

// Goal: the first page of a list counts as fast in a project with millions of artifacts.
test('sums of whole projects examine only what has expired', async () => {
  for (const filter of [{}, { projectId: 1, name: undefined }, { projectIds: [1, 2] }]) {
    statements.clear()
    await metadata.sumArtifacts(filter, now)
    const plans = [...firstSteps(path, statements, / artifacts /)]
    expect(plans.filter((step) => !step.includes('artifacts_ending (ends_at>'))).toEqual([])
    expect(plans.length).toBeGreaterThan(0)
  }
})

// Goal: a job that looks up the newest artifact of a name reads no row of the thousands before it.
test('artifacts of a name are counted from an index alone', async () => {
  statements.clear()
  await metadata.countArtifacts({ projectId: 1, name: 'dist' }, now)
  const steps = [...firstSteps(path, statements)]
  expect(steps.length).toBeGreaterThan(0)
  for (const step of steps) expect(step).toContain('COVERING INDEX artifacts_by_name (project_id=')
})

// Goal: the page of all projects reads no row of the thousands that were uploaded in a month.
test('uploads by day are read from an index alone', async () => {
  statements.clear()
  await metadata.listUploadDays(1, 5_000_000)
  const steps = [...firstSteps(path, statements, / artifacts /)]
  expect(steps.length).toBeGreaterThan(0)
  for (const step of steps)
    expect(step).toContain('COVERING INDEX artifacts_by_time (project_id=? AND created_at>')
})

test('kept artifacts are found without those that expire', async () => {
  statements.clear()
  await page({ projectId: 1, pinned: true }, 'newest')
  await page({ projectId: 1, keptLatest: true }, 'newest')
  const steps = [...firstSteps(path, statements)]
  const walks = steps.filter((step) => !step.endsWith('PRIMARY KEY (rowid=?)'))
  expect(walks.length).toBeGreaterThan(0)
  expect(walks.filter((step) => !step.includes('artifacts_ending (ends_at='))).toEqual([])
})

test.each<[string, ArtifactFilter]>([
  ['a branch', { branch: 'none' }],
  ['a pull request', { pullRequest: 34 }],
])('%s that no run has built is answered from the runs', async (_what, of) => {
  statements.clear()
  const filter = { projectId: 1, name: 'dist', state: 'any', ...of } as const
  expect(await metadata.findNewest(filter, now)).toBeUndefined()
  expect([...statements].filter((sql) => /artifacts/.test(sql))).toEqual([])
})

// Goal: what a list of a release branch costs depends on the branch, not on the project.
test('artifacts of some hundred runs are counted through these', async () => {
  statements.clear()
  const found = await metadata.countArtifacts({ projectId: 1, branch: 'release' }, now)
  expect(found).toBeGreaterThan(500)
  const steps = [...firstSteps(path, statements)]
  expect(steps.length).toBeGreaterThan(0)
  const throughRuns =
    /artifacts_by_run \(run_id=\?\)|SEARCH runs USING INTEGER PRIMARY KEY \(rowid=\?\)/
  for (const step of steps) expect(step).toMatch(throughRuns)
})

// Method: a copy of the database, with a stream for the file that nearly all artifacts have, and
// thousands of other damaged streams.
test('damage spreads to all holders in short steps that skip other damage', async () => {
  const copy = await newDatabase()
  copyFileSync(path, copy)
  const database = new SqliteDatabase(copy)
  database.exec(`INSERT INTO packs (id, name, size_bytes, state, session_id, copy_count, copy_bytes, live_count, live_bytes, created_at)
    VALUES (1, 'p', 9, 1, 0, 1, 1, 1, 1, 0)`)
  const blob = database.prepare(
    `INSERT OR REPLACE INTO blobs (id, digest, size_bytes, crc32, state, project_id, copy_stream_id, part_count, joined_bytes)
     VALUES (@id, @digest, 1, 0, @state, 1, @id, 0, 1)`,
  )
  const stream = database.prepare(
    `INSERT INTO streams (id, digest, codec, blob_id, pack_id, "offset", length_bytes, checks, state, verified_at)
     VALUES (@id, @digest, 0, @id, 1, @id, 1, x'00000000', @state, 0)`,
  )
  database.pragma('foreign_keys = OFF')
  database.transaction(() => {
    for (let id = 1; id <= 3000; id++) {
      const digest = id === 1 ? Buffer.from(digestOf('common'), 'hex') : Buffer.alloc(32, `${id} `)
      const row = { id, digest, state: id === 1 ? 0 : 1 }
      blob.run(row)
      stream.run(row)
    }
  })()
  database.close()
  const traced = new Set<string>()
  let transactions = 0
  const trace = (sql: string): void => {
    if (sql === 'BEGIN IMMEDIATE') transactions += 1
    traced.add(sql)
  }
  const store = openSqliteMetadata({ path: copy, trace })
  const damaged = rows.filter(
    ({ removedAt, manifestId, state }) =>
      removedAt === null && (manifestId !== 4 || state === 'damaged'),
  )
  await store.markDamaged({ streamId: 1, offset: 1, packName: 'p' })
  const { damagedArtifacts } = await store.figures()
  await store.close()
  expect(damagedArtifacts).toBe(damaged.length)
  expect(transactions).toBeGreaterThan(4)
  const searches = [...traced].filter((sql) => /blobs_damaged\s+CROSS JOIN/.test(sql))
  expect(searches).toEqual([])
})

test('holders of a file are found when nearly all artifacts have it', async () => {
  const many = Array.from({ length: 5000 }, (_, index) => index + 2)
  for (const projectIds of [null, [1], [2, 1], many]) {
    const filter = projectIds === null ? {} : { projectIds }
    const held = rows.filter((row) => passes(row, filter) && row.manifestId !== 4)
    const newest = held.map(({ id }) => id).reverse()
    const list = async (limit: number, beforeId?: number) =>
      await metadata.listHolders(digestOf('common'), {
        projectIds,
        now,
        limit,
        ...(beforeId !== undefined && { beforeId }),
      })
    expect((await list(50)).map(({ id }) => id)).toEqual(newest.slice(0, 50))
    const last = newest[newest.length - 3]!
    expect((await list(50, last)).map(({ id }) => id)).toEqual(newest.slice(-2))
  }
})

test('old facts and runs are found', async () => {
  expect(await metadata.listRunFacts(1, 'workflow', 10)).toEqual(['build', 'first'])
  const filter = { workflow: 'first' }
  expect(await metadata.listRuns(1, { limit: 9, filter })).toMatchObject([{ number: 1 }])
  expect(await metadata.listRuns(1, { limit: 9, filter: { ...filter, branch: 'main' } })).toEqual(
    [],
  )
  const branches = await metadata.listRunFacts(1, 'branch', 1000)
  const newest = Array.from({ length: runCount }, (_, index) => runCount - index)
  const ofOne = newest.filter((run) => run % 10 !== 0).map(branchOf)
  expect(branches).toEqual([...new Set(ofOne)].filter((branch) => branch !== null))
})

// Goal: the page of a project loads as fast after ten years as after one.
test('the workflows of a project with very many runs are those of its newest runs', async () => {
  const manyPath = await newDatabase()
  const database = new SqliteDatabase(manyPath)
  database.exec(`INSERT INTO projects (id, owner_repo, created_at) VALUES (1, 'a/b', 0);
    INSERT INTO runs (project_id, number, attempt, workflow, created_at)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${limits.runFactsScannedMax + 1})
    SELECT 1, i, 1, CASE i WHEN 1 THEN 'beyond' WHEN 2 THEN 'oldest' ELSE 'build' END, 0 FROM n;
    INSERT INTO run_records (run_id, recording, next_sequence, updated_at, row_count, log_bytes)
    SELECT id, '', 0, 0, 0, 0 FROM runs`)
  database.close()
  const many = openSqliteMetadata({ path: manyPath })
  onTestFinished(() => many.close())
  expect(await many.listRunFacts(1, 'workflow', 10)).toEqual(['build', 'oldest'])
})

test('uploads per day include live and removed artifacts', async () => {
  const since = 20 * 1000
  const days = new Map<number, number>()
  for (const row of rows.filter(
    ({ projectId, createdAt }) => projectId === 1 && createdAt >= since,
  )) {
    const day = Math.floor(row.createdAt / dayMs)
    days.set(day, (days.get(day) ?? 0) + row.logicalBytes)
  }
  const found = await metadata.listUploadDays(1, since)
  expect(new Map(found.map(({ day, logicalBytes }) => [day, logicalBytes]))).toEqual(days)
})
