/** Builds a large store in minutes: writes its rows directly into the database and creates its
 *  packs as sparse files of zeros. All page checksums hold, so everything except the digests of
 *  streams can be read, moved and removed.
 *
 *  100 projects take turns. Artifact `i` (from 1) has 100 entries: ten blobs of its own, and those
 *  of the nine artifacts before it in its project, like a build that changes a tenth of its files.
 *  5,000 blobs share a pack, so the packs of the oldest artifacts become entirely dead. Seeded:
 *  equal arguments produce equal rows. */
import SqliteDatabase, { type Database } from 'better-sqlite3'
import { createHash } from 'node:crypto'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { parseEntryPath } from '../src/core/manifest/entry.ts'
import { encodeManifestPage, type PageEntry } from '../src/metadata/manifest-page.ts'
import { openSqliteMetadata } from '../src/metadata/sqlite/sqlite.ts'
import { openLocalPackStore } from '../src/packs/local/local.ts'

export interface BigStore {
  artifacts: number
  blobs: number
  entries: number
  databaseBytes: number
}

const projectCount = 100
const ownBlobs = 10
const generations = 10
const entriesPerArtifact = ownBlobs * generations
const blobsPerPack = 5000
const streamBytes = 1000
const newBytesPerArtifact = 10_000
const contentBytes = 4000
/** Bytes of a member's header and directory entry. */
const framingBytes = 122
const packBytes = blobsPerPack * (streamBytes + framingBytes)
const batch = 1000

/** Builds a store whose oldest tenth of artifacts has expired at `now`. The others expire later,
 *  one per minute. */
export async function buildBigStore(
  dataDir: string,
  { artifacts, now }: { artifacts: number; now: number },
): Promise<void> {
  mkdirSync(dataDir, { recursive: true })
  const path = join(dataDir, 'trove.db')
  await openSqliteMetadata({ path }).close()
  const packs = await openLocalPackStore({ directory: join(dataDir, 'cas') })
  await packs.close()
  const database = new SqliteDatabase(path)
  // Durability does not matter: a half-built store is discarded.
  for (const pragma of ['synchronous = OFF', 'foreign_keys = OFF', 'cache_size = -500000']) {
    database.pragma(pragma)
  }
  const blobs = artifacts * ownBlobs
  insertProjects(database, now)
  insertBlobs(database, blobs, now)
  insertPacks(database, join(dataDir, 'cas', 'packs'), { count: blobs / blobsPerPack, now })
  insertArtifacts(database, { artifacts, now })
  insertTotals(database, { artifacts, blobs })
  database.close()
}

/** Shifts the times of a previously built store, so that the oldest tenth has expired at `now`. */
export function ageBigStore(
  dataDir: string,
  { artifacts, now }: { artifacts: number; now: number },
): BigStore {
  const database = new SqliteDatabase(join(dataDir, 'trove.db'))
  const builtAt = database.prepare('SELECT created_at FROM projects WHERE id = 1').pluck().get()
  const later = now - Number(builtAt)
  database
    .prepare(
      `UPDATE artifacts SET created_at = created_at + @later, expires_at = expires_at + @later,
         ends_at = ends_at + @later`,
    )
    .run({ later })
  const pages = database.pragma('page_count', { simple: true }) as number
  const pageBytes = database.pragma('page_size', { simple: true }) as number
  database.close()
  return {
    artifacts,
    blobs: artifacts * ownBlobs,
    entries: artifacts * entriesPerArtifact,
    databaseBytes: pages * pageBytes,
  }
}

function inBatches(database: Database, count: number, insert: (number: number) => void): void {
  const run = database.transaction((first: number) => {
    for (let at = first; at < Math.min(count, first + batch); at++) insert(at + 1)
  })
  for (let first = 0; first < count; first += batch) run(first)
}

function digest(what: string): Buffer {
  return createHash('sha256').update(what).digest()
}

function insertProjects(database: Database, now: number): void {
  const insert = database.prepare(
    'INSERT INTO projects (id, owner_repo, created_at) VALUES (?, ?, ?)',
  )
  inBatches(database, projectCount, (id) => insert.run(id, `big/project-${id}`, now))
}

function insertBlobs(database: Database, count: number, now: number): void {
  const zeros = Buffer.alloc(streamBytes)
  const checks = Buffer.alloc(4)
  checks.writeUInt32LE(crc32(zeros))
  const insertBlob = database.prepare(
    `INSERT INTO blobs (id, digest, size_bytes, crc32, state, project_id, copy_stream_id, joining_stream_id, part_count, joined_bytes)
     VALUES (?, ?, ${contentBytes}, 0, 0, ?, ?, ?, 0, 0)`,
  )
  const insertStream = database.prepare(
    `INSERT INTO streams (id, digest, codec, blob_id, pack_id, "offset", length_bytes, checks, state, verified_at)
     VALUES (?, ?, 0, ?, ?, ?, ${streamBytes}, ?, 0, ${now})`,
  )
  inBatches(database, count, (id) => {
    const pack = Math.ceil(id / blobsPerPack)
    const offset = ((id - 1) % blobsPerPack) * (streamBytes + 74) + 52
    insertBlob.run(id, digest(`blob ${id}`), projectOf(Math.ceil(id / ownBlobs)), id, id)
    insertStream.run(id, digest(`stream ${id}`), id, pack, offset, checks)
  })
}

function insertPacks(
  database: Database,
  directory: string,
  { count, now }: { count: number; now: number },
): void {
  const insert = database.prepare(
    `INSERT INTO packs (id, name, size_bytes, state, session_id, copy_count, copy_bytes, live_count, live_bytes, created_at)
     VALUES (?, ?, ${packBytes}, 1, 0, ${blobsPerPack}, ${blobsPerPack * streamBytes}, ${blobsPerPack}, ${blobsPerPack * streamBytes}, ${now})`,
  )
  inBatches(database, count, (id) => {
    const name = digest(`pack ${id}`).toString('hex').slice(0, 32)
    const folder = join(directory, name.slice(0, 2))
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${name}.zip`), '')
    truncateSync(join(folder, `${name}.zip`), packBytes)
    insert.run(id, name)
  })
}

function projectOf(artifact: number): number {
  return ((artifact - 1) % projectCount) + 1
}

/** Returns the blob ids of the artifact and of up to nine artifacts before it in its project. */
function blobsOf(artifact: number): number[] {
  const ids: number[] = []
  for (let generation = generations - 1; generation >= 0; generation--) {
    const maker = artifact - generation * projectCount
    if (maker < 1) continue
    for (let own = 1; own <= ownBlobs; own++) ids.push((maker - 1) * ownBlobs + own)
  }
  return ids
}

function insertArtifacts(
  database: Database,
  { artifacts, now }: { artifacts: number; now: number },
): void {
  const insertRun = database.prepare(
    'INSERT INTO runs (id, project_id, number, attempt, branch, created_at) VALUES (?, ?, ?, 1, ?, ?)',
  )
  const insertManifest = database.prepare(
    `INSERT INTO manifests (id, project_id, tree_digest, entry_count, file_count, logical_bytes, state, session_id,
       page_count, staged_entries, fresh_bytes, project_fresh_bytes)
     VALUES (?, ?, ?, ${entriesPerArtifact}, ${entriesPerArtifact}, ${entriesPerArtifact * contentBytes}, 1, NULL, 1, ${entriesPerArtifact}, 0, 0)`,
  )
  const insertPage = database.prepare(
    `INSERT INTO manifest_pages (manifest_id, page, entry_count, first_path, last_path, bytes)
     VALUES (?, 0, ${entriesPerArtifact}, ?, ?, ?)`,
  )
  const insertReferences = database.prepare(
    `INSERT INTO "references" (manifest_id, blob_id, project_id)
     SELECT ?, j.value, ? FROM json_each(?) j`,
  )
  const insertArtifact = database.prepare(
    `INSERT INTO artifacts (id, project_id, run_id, job, name, state, kind, mime_type, manifest_id, content_id, zip_bytes,
       tar_gz_bytes, new_bytes, logical_bytes, created_at, expires_at, pinned, ends_at, version)
     VALUES (?, ?, ?, 'build', 'dist', 'available', 'tree', 'application/zip', ?, ?, 120000, 110000, ${newBytesPerArtifact},
       ${entriesPerArtifact * contentBytes}, ?, ?, 0, ?, 1)`,
  )
  inBatches(database, artifacts, (id) => {
    const project = projectOf(id)
    const blobIds = blobsOf(id)
    const endsAt = now + (id - artifacts / 10) * 60_000
    const entries = entriesOf(blobIds)
    insertRun.run(id, project, id, id % 7 === 0 ? 'main' : `branch-${id % 1000}`, endsAt)
    insertManifest.run(id, project, digest(`tree ${id}`))
    const [first, last] = [entries[0]!.path, entries.at(-1)!.path]
    insertPage.run(id, Buffer.from(first), Buffer.from(last), encodeManifestPage(entries))
    insertReferences.run(id, project, JSON.stringify(blobIds))
    insertArtifact.run(id, project, id, id, id, endsAt - 90 * 86_400_000, endsAt, endsAt)
  })
}

function entriesOf(blobIds: number[]): PageEntry[] {
  return Array.from({ length: entriesPerArtifact }, (_, index) => ({
    kind: 'file',
    path: parseEntryPath(`dist/${String(index % 7)}/module-${String(index).padStart(3, '0')}.js`),
    mode: 0o644,
    blobId: blobIds[index % blobIds.length]!,
  })).sort((a, b) => (a.path < b.path ? -1 : 1)) as PageEntry[]
}

function insertTotals(
  database: Database,
  { artifacts, blobs }: { artifacts: number; blobs: number },
): void {
  const insert = database.prepare(
    `INSERT INTO totals (scope, artifacts, files, logical_bytes, unique_bytes, chunk_bytes, stored_bytes, packs, live_bytes)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (scope) DO UPDATE SET artifacts = excluded.artifacts, files = excluded.files,
       logical_bytes = excluded.logical_bytes, unique_bytes = excluded.unique_bytes, chunk_bytes = excluded.chunk_bytes,
       stored_bytes = excluded.stored_bytes, packs = excluded.packs, live_bytes = excluded.live_bytes`,
  )
  const row = (scope: number, share: number): unknown[] => {
    const files = (artifacts / share) * entriesPerArtifact
    const own = (blobs / share) * contentBytes
    return [scope, artifacts / share, files, files * contentBytes, own, own]
  }
  const packs = blobs / blobsPerPack
  insert.run(...row(0, 1), packs * packBytes, packs, packs * packBytes)
  for (let id = 1; id <= projectCount; id++) insert.run(...row(id, projectCount), 0, 0, 0)
  database.exec(`UPDATE totals SET new_bytes = artifacts * ${newBytesPerArtifact}`)
}
