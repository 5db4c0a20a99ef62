import { describe, expect, test } from 'vitest'
import { type Entry, parseEntryPath } from '../../src/core/manifest/entry.ts'
import type { RecordedEvent } from '../../src/core/run/run-record.ts'
import { explainDeletion } from '../../src/lifecycle/collect/deletion.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { createSharedLog } from '../../src/metadata/sqlite/log/shared-log.ts'
import { servedBy } from '../../src/metadata/sqlite/thread/served-by.ts'
import {
  openMetadataThreads,
  openMetadataWorker,
} from '../../src/metadata/sqlite/thread/sqlite-worker.ts'
import { metadataContract } from './metadata-contract.ts'
import { runRecordsContract } from './contract/run-records.ts'
import { newArtifact, openSession, seedArtifact, seedRun, stageEntries } from './seed.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase } = temporaryDatabases()

metadataContract('SQLite on a thread of its own', (path) => openMetadataWorker({ path }))

describe('SQLite on a thread that writes and one that reads', () => {
  runRecordsContract((path) => openMetadataThreads({ path, sharedLog: createSharedLog() }))
})

const called = new Set<string>()

/** The server's metadata, which notes the methods that are called. */
async function openNoting(path: string): Promise<Metadata> {
  const metadata = await openMetadataThreads({ path, sharedLog: createSharedLog() })
  return new Proxy(metadata, {
    get: (target, name) => {
      called.add(String(name))
      return target[name as keyof Metadata]
    },
  })
}

metadataContract('SQLite on a thread that writes and one that reads', openNoting)

// Goal: no method of the reading thread writes. Method: SQLite refuses it there, so each must have
// been called; first those that are not part of the contract.
test('the reading thread has only methods that read', async () => {
  const metadata = await openNoting(await newDatabase())
  const run = await seedRun(metadata)
  const job = { key: 'build', id: 'build', name: 'build' }
  const step = { at: 2, job: job.key, step: 1 }
  const events: RecordedEvent[] = [
    { type: 'job-named', at: 1, job },
    { type: 'line', ...step, kind: 'output', text: 'text' },
    { type: 'annotation', ...step, level: 'error', message: 'text' },
    { type: 'summary', ...step, text: 'text' },
  ]
  await metadata.appendRunEvents(run.id, { recording: 'a', sequence: 0, events }, 10)
  expect(await metadata.listRunProgress([run.id], 10)).toHaveLength(1)
  const [recorded] = (await metadata.findRunRecord(run.id, 10))!.jobs
  expect(await metadata.readLogPage(recorded!.id, 0)).toHaveLength(1)
  expect(await metadata.listAnnotations(run.id)).toHaveLength(1)
  expect(await metadata.readSummaryPage(recorded!.id, 0)).toBeDefined()
  const { id } = await seedArtifact(metadata, run, { a: 'content' })
  const deletion = await explainDeletion(metadata, [id], 2_000)
  expect(deletion.freedBytes).toBeGreaterThan(0)
  await metadata.close()

  const reading = Object.entries(servedBy).filter(([, thread]) => thread === 'reader')
  expect(reading.map(([name]) => name).filter((name) => !called.has(name))).toEqual([])
})

// Goal: many concurrent requests cannot end the thread, and the server with it.
// Method: directories of the longest possible paths and link targets.
test('a thread lists many large directories concurrently in its bounded heap', async () => {
  const metadata = await openMetadataWorker({ path: await newDatabase() })
  const run = await seedRun(metadata)
  const session = await openSession(metadata, run)
  const below = Array.from({ length: 16 }, () => 'x'.repeat(240)).join('/')
  const entries = Array.from({ length: 1_536 }, (_, index): Entry => {
    const path = parseEntryPath(`d/${String(index).padStart(4, '0')}/${below}`)
    return { kind: 'symlink', path, mode: 0o777, target: 'y'.repeat(4_096) }
  })
  const { manifestId } = await stageEntries(metadata, session, entries)
  const wanted = newArtifact(run, manifestId)
  const { artifact } = await metadata.commitArtifact(session, wanted)
  const place = { directory: 'd', limit: 1_000, from: null }
  const listings = await Promise.all(
    Array.from({ length: 50 }, () => metadata.listDirectory(artifact.id, place)),
  )
  expect(new Set(listings.map((listing) => listing?.children.length))).toEqual(new Set([1_000]))
  await metadata.close()
})
