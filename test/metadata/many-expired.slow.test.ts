/** Measuring what a whole store would free takes bounded memory. Method: rows are inserted
 *  directly, and the thread gets less heap than lists of all their ids would take. */
import SqliteDatabase from 'better-sqlite3'
import { expect, test } from 'vitest'
import { startThread } from '../../src/program-files.ts'
import type { MetadataCall } from '../../src/metadata/sqlite/thread/sqlite-worker.ts'
import { createThreadClient } from '../../src/worker-thread.ts'
import { temporaryDatabases } from './temporary-database.ts'

const artifactCount = 100_000
const heapMiB = { old: 10, young: 2 }
const { newDatabase } = temporaryDatabases()

function fill(path: string): void {
  const database = new SqliteDatabase(path)
  database.pragma('foreign_keys = OFF')
  database.pragma('synchronous = OFF')
  const ids = `WITH RECURSIVE ids (id) AS (VALUES (1) UNION ALL SELECT id + 1 FROM ids WHERE id < ${artifactCount})`
  database.exec(`INSERT INTO projects (id, owner_repo, created_at) VALUES (1, 'a/b', 0);
    INSERT INTO runs (id, project_id, number, attempt, created_at) VALUES (1, 1, 1, 1, 0);
    ${ids} INSERT INTO manifests (id, project_id, tree_digest, entry_count, file_count, logical_bytes, state, page_count,
        staged_entries, fresh_bytes, project_fresh_bytes)
      SELECT id, 1, randomblob(32), 0, 0, 0, 1, 0, 0, 0, 0 FROM ids;
    ${ids} INSERT INTO artifacts (id, project_id, run_id, job, name, state, kind, mime_type, manifest_id, content_id,
        zip_bytes, tar_gz_bytes, new_bytes, logical_bytes, created_at, expires_at, pinned, ends_at, version)
      SELECT id, 1, 1, '', id, 'available', 'tree', '', id, id, 0, 0, 0, 0, 0, 1, 0, 1, 1 FROM ids`)
  database.close()
}

test('the dry run of a store in which everything has expired takes bounded memory', async () => {
  const path = await newDatabase()
  fill(path)
  const name = 'measuring'
  const worker = startThread('metadata/sqlite/thread/sqlite-thread.ts', {
    name,
    workerData: { path, isReader: true },
    heapMiB,
  })
  const thread = createThreadClient<MetadataCall, unknown>(worker, name)
  const question = {
    artifactIds: null,
    releasableBy: 2,
    readersHold: true,
    shared: false,
    now: 2,
  }
  const answer = await thread.request({
    method: 'measureRemoval',
    args: [question],
    isStoppable: false,
  })
  expect(answer).toMatchObject({ expired: artifactCount, packs: [] })
  await thread.close()
})
