import SqliteDatabase from 'better-sqlite3'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { noFacts } from '../../src/core/run/run.ts'
import { createSharedLog } from '../../src/metadata/sqlite/log/shared-log.ts'
import { openMetadataThreads } from '../../src/metadata/sqlite/thread/sqlite-worker.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newPath } = temporaryDatabases()
const migrations = new URL('../../schema/migrations/', import.meta.url)

interface Journal {
  entries: { idx: number; tag: string; when: number }[]
}

function hashOf(sql: string): string {
  return createHash('sha256').update(sql).digest('hex')
}

/** A database as left by the migrations up to this one, with these rows. */
function databaseOf(newest: string, rows: string): string {
  const path = newPath()
  const database = new SqliteDatabase(path)
  database.pragma('journal_mode = WAL')
  const { entries } = JSON.parse(
    readFileSync(new URL('meta/_journal.json', migrations), 'utf8'),
  ) as Journal
  const last = entries.find(({ tag }) => tag === newest)!
  database.exec(
    'CREATE TABLE __drizzle_migrations (id INTEGER PRIMARY KEY, hash TEXT NOT NULL, created_at NUMERIC)',
  )
  const record = database.prepare(
    'INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)',
  )
  for (const { tag, when } of entries.slice(0, last.idx + 1)) {
    const sql = readFileSync(new URL(`${tag}.sql`, migrations), 'utf8')
    database.exec(sql)
    record.run(hashOf(sql), when)
  }
  database.exec(rows)
  database.close()
  return path
}

/** Migrates the database; returns the results of queries afterwards. */
async function migrated(path: string, queries: string[]): Promise<unknown[][]> {
  await openSqliteMetadata({ path }).close()
  const database = new SqliteDatabase(path, { readonly: true })
  const answers = queries.map((query) => database.prepare(query).pluck().all())
  database.close()
  return answers
}

test('whoever opens an older database is told before it is migrated, and nobody who opens a new one', async () => {
  const older = databaseOf('0027_base_leases', '')
  const told: unknown[] = []
  const open = async (path: string): Promise<void> => {
    const onMigration = (missing: number): void => {
      const database = new SqliteDatabase(path, { readonly: true })
      const applied = database.prepare('SELECT count(*) FROM __drizzle_migrations').pluck().get()
      database.close()
      told.push([applied, missing])
    }
    const sharedLog = createSharedLog()
    await (await openMetadataThreads({ path, sharedLog, onMigration })).close()
  }
  const created = newPath()
  for (const path of [older, older, created, created]) await open(path)
  const { entries } = JSON.parse(
    readFileSync(new URL('meta/_journal.json', migrations), 'utf8'),
  ) as Journal
  expect(told).toEqual([[28, entries.length - 28]])
})

test('packs that no session is filling count as whole', async () => {
  const path = databaseOf(
    '0008_altered_again',
    `INSERT INTO projects (id, owner_repo, created_at) VALUES (1, 'acme/app', 0);
     INSERT INTO sessions (id, name, project_id, state, created_at, leased_until)
       VALUES (1, 'under way', 1, 0, 0, 9), (2, 'aborted', 1, 2, 0, 0);
     INSERT INTO packs (name, size_bytes, state, session_id, copy_count, copy_bytes, live_count, live_bytes, created_at)
       VALUES ('a', 9, 0, 1, 1, 1, 1, 1, 0), ('b', 9, 0, 2, 1, 1, 1, 1, 0), ('c', 9, 0, 3, 1, 1, 1, 1, 0),
         ('dead', 9, 2, 3, 1, 1, 0, 0, 0)`,
  )
  expect(await migrated(path, ['SELECT state FROM packs ORDER BY name'])).toEqual([[0, 1, 1, 2]])
})

// Method: blobs 1 to 4 have one stream each, and that of 2 is damaged; 5 consists of 1 and 3, and 6
// of 1 and 2. All are marked damaged, and so are three artifacts: one holds 1 and 5, one holds 2,
// and the skeleton of the last names the stream of 2.
test('blobs and artifacts that were marked damaged though their streams are sound become sound', async () => {
  const blobs = [1, 2, 3, 4, 5, 6].map((id) => {
    const stream = id <= 4 ? id : 'NULL'
    const [state, parts] = [id === 4 ? 4 : 1, id <= 4 ? 0 : 2]
    return `(${id}, x'0${id}', 1, 0, ${state}, 1, ${stream}, ${stream}, ${parts}, 0)`
  })
  const streams = [1, 2, 3, 4].map(
    (id) => `(${id}, x'0${id}', 0, ${id}, 1, ${id}, 1, x'', ${id === 2 ? 1 : 0}, 0)`,
  )
  const manifests = [1, 2, 3].map((id) => `(${id}, 1, x'0${id}', 1, 1, 1, 1, 1, 1, 0, 0)`)
  const artifacts = [1, 2, 3].map(
    (id) =>
      `(${id}, 1, 1, '', '${id}', 'damaged', 'tree', '', ${id}, ${id}, 0, 0, 0, 0, 0, 0, 0, 0, 1)`,
  )
  const path = databaseOf(
    '0008_altered_again',
    `INSERT INTO projects (id, owner_repo, created_at) VALUES (1, 'acme/app', 0);
     INSERT INTO runs (id, project_id, number, attempt, created_at) VALUES (1, 1, 1, 1, 0);
     INSERT INTO packs (id, name, size_bytes, state, session_id, copy_count, copy_bytes, live_count, live_bytes, created_at)
       VALUES (1, 'a', 9, 1, 1, 4, 4, 4, 4, 0);
     INSERT INTO blobs VALUES ${blobs.join()};
     INSERT INTO streams VALUES ${streams.join()};
     INSERT INTO composite_parts VALUES (5, 0, 1), (5, 1, 3), (6, 0, 1), (6, 1, 2);
     INSERT INTO manifests (id, project_id, tree_digest, entry_count, file_count, logical_bytes, state, page_count,
       staged_entries, fresh_bytes, project_fresh_bytes) VALUES ${manifests.join()};
     INSERT INTO "references" VALUES (1, 1, 1), (1, 5, 1), (2, 2, 1), (3, 3, 1);
     INSERT INTO skeleton_streams VALUES (3, 2);
     INSERT INTO artifacts (id, project_id, run_id, job, name, state, kind, mime_type, manifest_id, content_id, zip_bytes,
       tar_gz_bytes, new_bytes, logical_bytes, created_at, expires_at, pinned, ends_at, version) VALUES ${artifacts.join()}`,
  )
  const answers = await migrated(path, [
    'SELECT state FROM blobs ORDER BY id',
    'SELECT state FROM artifacts ORDER BY id',
  ])
  expect(answers).toEqual([
    [0, 1, 0, 3, 0, 1],
    ['available', 'damaged', 'damaged'],
  ])
})

test('runs count as used when they were created', async () => {
  const path = databaseOf(
    '0013_many_rows',
    `INSERT INTO projects (id, owner_repo, created_at) VALUES (1, 'acme/app', 0);
     INSERT INTO runs (id, project_id, number, attempt, created_at) VALUES (1, 1, 1, 1, 5)`,
  )
  expect(await migrated(path, ['SELECT used_at FROM runs'])).toEqual([[5]])
})

test('bytes that uploads added are summed, without those of removed artifacts', async () => {
  const artifact = (id: number, project: number, removedAt: string): string =>
    `(${id}, ${project}, 1, '', 'a${id}', 'available', 'tree', '', 1, 0, 0, 1${id}, 0, 0, 9, 0, 9, ${removedAt}, 1)`
  const path = databaseOf(
    '0027_base_leases',
    `PRAGMA foreign_keys = OFF;
     INSERT INTO totals (scope) VALUES (0), (1), (2), (3) ON CONFLICT DO NOTHING;
     INSERT INTO artifacts (id, project_id, run_id, job, name, state, kind, mime_type, manifest_id, zip_bytes, tar_gz_bytes,
       new_bytes, logical_bytes, created_at, expires_at, pinned, ends_at, removed_at, version)
     VALUES ${[artifact(1, 1, 'NULL'), artifact(2, 2, 'NULL'), artifact(3, 2, '5')].join()}`,
  )
  const sums = 'SELECT new_bytes FROM totals ORDER BY scope'
  expect(await migrated(path, [sums])).toEqual([[23, 11, 12, 0]])
})

test('open uploads are counted, stock and native, and the count follows them from then on', async () => {
  const path = databaseOf(
    '0019_zip_pages',
    `INSERT INTO projects (id, owner_repo, created_at) VALUES (1, 'acme/app', 0), (2, 'acme/other', 0);
     INSERT INTO runs (id, project_id, number, attempt, created_at) VALUES (1, 1, 1, 1, 5);
     INSERT INTO uploads (id, project_id, run_id, job, name, state, created_at)
       VALUES ('open', 1, 1, '', 'a', 0, 0), ('assembled', 1, 1, '', 'b', 1, 0), ('done', 1, 1, '', 'c', 2, 0);
     INSERT INTO sessions (name, project_id, state, created_at, leased_until, offer)
       VALUES ('live', 1, 0, 0, 9, x'01'), ('over', 1, 2, 0, 0, x'02'), ('whole body', 1, 0, 0, 9, NULL)`,
  )
  const openUploads = 'SELECT open_uploads FROM projects ORDER BY id'
  expect(await migrated(path, [openUploads])).toEqual([[3, 0]])
  const metadata = openSqliteMetadata({ path })
  await metadata.removeUpload('open')
  await metadata.abortSession('live')
  await metadata.abortSession('whole body')
  await metadata.close()
  expect(await migrated(path, [openUploads])).toEqual([[1, 0]])
})

// A database whose migration differs lacks what the edit added, and would fail query by query.
test('a database that applied another text of a migration is rejected and left unchanged', () => {
  const path = databaseOf(
    '0016_revoked_tokens',
    "UPDATE __drizzle_migrations SET hash = 'another' WHERE id = 10",
  )
  const before = readFileSync(path)
  expect(() => openSqliteMetadata({ path })).toThrow(
    `${path} was written by an unreleased version of Trove with another schema and was left unchanged`,
  )
  expect(readFileSync(path).equals(before)).toBe(true)
})

test('a database that skipped a migration is rejected', () => {
  const path = databaseOf('0016_revoked_tokens', 'DELETE FROM __drizzle_migrations WHERE id = 10')
  expect(() => openSqliteMetadata({ path })).toThrow('with another schema')
})

// Every database records the hashes of what it applied, comments included. Add a file instead.
test('migrations that databases have applied keep their text', () => {
  const { entries } = JSON.parse(
    readFileSync(new URL('meta/_journal.json', migrations), 'utf8'),
  ) as Journal
  const hashes = entries.map(({ tag }) =>
    hashOf(readFileSync(new URL(`${tag}.sql`, migrations), 'utf8')).slice(0, 16),
  )
  expect(hashes).toEqual([
    'b404b02e3f40e689',
    'abf27674ebbc7d24',
    '48a6ca824897bb08',
    '0d41d3317109a0bc',
    '6b32b01f2f6f16ad',
    'e74f23c2c87f4d0d',
    '889316fab1d63397',
    '1c4211356b8c6f51',
    '1e6f944a0f01cdc5',
    '54e087468323f9be',
    'e15ecd1d6996ca4b',
    '43ba8c7270cbf91f',
    '377e83721a9bd5be',
    'fc00fe21070a7cb4',
    '1ad4fa7b0b1c6f9d',
    '2e932fc25ff251e1',
    'cadfbd298264a3ec',
    'fa94b64502ab5465',
    '060e24b85b84a469',
    '8b31768b994025e1',
    'fa8b77dfa11b4392',
    '82c119b7e731bf39',
    '7390b4e484fbacea',
    'cd7402e25ae413ec',
    'de6082c78a5c25ea',
    '0f3403cfd1681b77',
    'aefe5ad77d1b8e8d',
    'b940ee0abb71fc8c',
    'a2ee04f04490217e',
    'dec724feec0e1e4c',
    'a7e0a97930dbf415',
    '0d31f5c947454a5b',
  ])
})

test('a run of an older database learns its number and pull request from a later upload', async () => {
  const path = databaseOf(
    '0021_secrets',
    `INSERT INTO projects (id, owner_repo, created_at) VALUES (1, 'acme/app', 0);
     INSERT INTO runs (id, project_id, number, attempt, branch, created_at) VALUES (1, 1, 7, 1, 'main', 5)`,
  )
  const metadata = openSqliteMetadata({ path })
  const known = (await metadata.findRun(1, 7))!
  expect(known).toMatchObject({ ...noFacts, branch: 'main' })
  const told = { ...noFacts, ordinal: 12, pullRequest: 34 }
  expect(await metadata.ensureRun(known, told, 6)).toEqual({
    ...known,
    ordinal: 12,
    pullRequest: 34,
  })
  await metadata.close()
})
