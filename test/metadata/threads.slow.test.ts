/** Several threads on one database file, as the server has them. */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import SqliteDatabase from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { parseProjectName } from '../../src/core/run/run.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { openMetadataWorker } from '../../src/metadata/sqlite/thread/sqlite-worker.ts'
import { sweepBlobs } from './sweep-all.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newPath, newDatabase } = temporaryDatabases()
const body = fileURLToPath(new URL('writing-thread.mjs', import.meta.url))

/** Starts threads that wait for each other, then work; resolves when all have ended. */
async function runThreads(count: number, work: Record<string, unknown>): Promise<void> {
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const threads = Array.from(
    { length: count },
    (_, number) => new Worker(body, { workerData: { ...work, number, count, gate } }),
  )
  const codes = await Promise.all(threads.map((thread) => once(thread, 'exit')))
  expect(codes.flat()).toEqual(Array(count).fill(0))
}

function checkFile(path: string): void {
  const database = new SqliteDatabase(path, { readonly: true })
  expect(database.pragma('integrity_check', { simple: true })).toBe('ok')
  expect(database.pragma('foreign_key_check')).toEqual([])
  expect(database.pragma('journal_mode', { simple: true })).toBe('wal')
  // 2 is INCREMENTAL.
  expect(database.pragma('auto_vacuum', { simple: true })).toBe(2)
  database.close()
}

describe('one database, several threads', () => {
  test('a new database is created once, however many threads open it at the same moment', async () => {
    for (let round = 0; round < 3; round++) {
      const path = newPath()
      await runThreads(4, { path, uploads: 0 })
      checkFile(path)
      const metadata = openSqliteMetadata({ path })
      expect(await metadata.findProject(parseProjectName('acme/app'))).toBeDefined()
      await metadata.close()
    }
  })

  // Goal: concurrent transactions wait for each other and lose nothing. Method: two threads upload
  // overlapping contents while a third one, like the server's, reads, sweeps and lists.
  test('concurrent writers lose nothing and do not fail', async () => {
    const path = await newDatabase()
    const metadata = await openMetadataWorker({ path })
    let working = true
    const writers = runThreads(2, { path, uploads: 6 }).finally(() => {
      working = false
    })
    while (working) {
      await sweepBlobs(metadata, 2_000)
      const page = { limit: 50, offset: 0, sort: 'newest', now: 2_000 } as const
      for (const { id, entryCount } of (await metadata.listArtifacts({}, page)).artifacts) {
        const read = await metadata.readEntryPage(id, 0)
        expect(read?.entries).toHaveLength(Math.min(entryCount, 512))
      }
    }
    await writers
    const figures = await metadata.figures()
    // Each thread made 6 artifacts of 700 files; contents 0–699 are shared, and every artifact has
    // one of its own.
    expect(figures).toMatchObject({ artifacts: 12, files: 12 * 701 })
    const shared = Array.from({ length: 700 }, (_, index) => `shared ${index}`)
    const own = Array.from(
      { length: 12 },
      (_, index) => `own ${Math.floor(index / 6)}/${index % 6}`,
    )
    const uniqueBytes = [...shared, ...own].reduce((sum, content) => sum + content.length, 0)
    expect(figures).toMatchObject({ uniqueBytes, chunkBytes: uniqueBytes })
    await metadata.close()
    checkFile(path)
  })
})
