/** What the second thread of a server adds: reads that wait for no write and see all that were
 *  acknowledged. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Worker } from 'node:worker_threads'
import { parseEntryPath } from '../../src/core/manifest/entry.ts'
import { noFacts, parseProjectName } from '../../src/core/run/run.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { createSharedLog, joinSharedLog } from '../../src/metadata/sqlite/log/shared-log.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { openMetadataThreads } from '../../src/metadata/sqlite/thread/sqlite-worker.ts'
import { metadataContract } from './metadata-contract.ts'
import { seedArtifact, seedRun } from './seed.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase, newPath } = temporaryDatabases()
const project = parseProjectName('octo/demo')
const removal = { state: 'deleted', reason: 'test', now: 2_000 } as const
const runOf = (number: number) => ({ project, number, attempt: 1 })

async function openThreads(onDeath?: (error: Error) => void): Promise<{
  metadata: Metadata
  sharedLog: SharedArrayBuffer
}> {
  const sharedLog = createSharedLog()
  const path = await newDatabase()
  const metadata = await openMetadataThreads({ path, sharedLog, ...(onDeath && { onDeath }) })
  return { metadata, sharedLog }
}

afterEach(() => {
  vi.restoreAllMocks()
})

// The slow test runs all parts.
metadataContract(
  'SQLite on a thread that writes and one that reads',
  (path) => openMetadataThreads({ path, sharedLog: createSharedLog() }),
  ['usage history'],
)

describe('the thread that only reads', () => {
  // Method: this thread holds the turn to write, so the write cannot end before the read has.
  test('answers while a write waits', async () => {
    const { metadata, sharedLog } = await openThreads()
    await metadata.ensureRun(runOf(1), noFacts, 1_000)
    const log = joinSharedLog(sharedLog)
    const ticket = log.enter()
    const writing = metadata.ensureRun(runOf(2), noFacts, 1_000)
    const isWritten = writing.then(() => true)
    const first = await Promise.race([isWritten, metadata.findProject(project)])
    log.leave(ticket)
    expect(first).toMatchObject({ name: project })
    await expect(writing).resolves.toMatchObject({ number: 2 })
    await metadata.close()
  })

  test('sees every write that was acknowledged before', async () => {
    const { metadata } = await openThreads()
    for (let number = 1; number <= 200; number++) {
      const { id, projectId } = await metadata.ensureRun(runOf(number), noFacts, 1_000)
      await expect(metadata.findRun(projectId, number, 1)).resolves.toMatchObject({ id })
    }
    const artifact = await seedArtifact(metadata, await seedRun(metadata), { a: 'content' })
    await metadata.removeArtifacts([artifact.id], removal)
    await expect(metadata.findArtifact(artifact.id)).resolves.toMatchObject({ removedAt: 2_000 })
    await metadata.close()
  })

  test('cannot write', async () => {
    const path = await newDatabase()
    const writer = openSqliteMetadata({ path })
    const reader = openSqliteMetadata({ path, isReader: true })
    await expect(reader.ensureRun(runOf(1), noFacts, 1_000)).rejects.toThrow('transaction')
    await expect(writer.findProject(project)).resolves.toBeUndefined()
    await reader.close()
    await writer.close()
  })

  // Goal: a call of several statements does not mix two states, though another thread writes.
  test('reads one snapshot up to the first pause of a call, as other threads do', async () => {
    const path = await newDatabase()
    const writer = openSqliteMetadata({ path })
    const { id } = await seedArtifact(writer, await seedRun(writer), { a: 'content' })
    for (const isReader of [true, false]) {
      const statements: string[] = []
      const trace = (sql: string): unknown => statements.push(sql)
      const reader = openSqliteMetadata({ path, isReader, trace })
      statements.length = 0
      await reader.findEntry(id, parseEntryPath('a'))
      expect(statements.length).toBeGreaterThan(3)
      expect([statements[0], statements.at(-1)]).toEqual(['BEGIN DEFERRED', 'COMMIT'])
      await reader.close()
    }
    await writer.close()
  })

  test('counts as another caller, for whom maintenance rests', async () => {
    const { metadata, sharedLog } = await openThreads()
    await metadata.ensureRun(runOf(1), noFacts, 1_000)
    const before = joinSharedLog(sharedLog).reads()
    await metadata.findProject(project)
    expect(joinSharedLog(sharedLog).reads() - before).toBe(1)
    await metadata.close()
  })

  test('is missed at once when it dies', async () => {
    const deaths: Error[] = []
    const { metadata } = await openThreads((error) => deaths.push(error))
    const send = vi.spyOn(Worker.prototype, 'postMessage')
    await metadata.findProject(project)
    const [thread] = send.mock.contexts as [Worker]
    send.mockRestore()
    await thread.terminate()
    await expect(metadata.findProject(project)).rejects.toThrow('metadata reader thread')
    await vi.waitFor(() => expect(deaths).toHaveLength(1))
    expect(deaths[0]?.message).toBe('the metadata reader thread died')
    await expect(metadata.close()).rejects.toThrow('metadata reader thread')
  })

  test('does not start on a database that cannot be opened', async () => {
    const path = `${newPath()}/no/such/trove.db`
    const opening = openMetadataThreads({ path, sharedLog: createSharedLog() })
    await expect(opening).rejects.toThrow('no such file or directory')
  })
})
