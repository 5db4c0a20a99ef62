/** Metadata snapshots that are interrupted. */
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import SqliteDatabase from 'better-sqlite3'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { BucketPlace } from '../../src/core/bucket-place.ts'
import { createJobs, type Jobs } from '../../src/lifecycle/background/jobs.ts'
import { openStoreSeries } from '../../src/lifecycle/snapshot/series.ts'
import { startSnapshotJobs } from '../../src/lifecycle/snapshot/snapshot-jobs.ts'
import { type SnapshotReport, takeSnapshot } from '../../src/lifecycle/snapshot/take-snapshot.ts'
import { createLog } from '../../src/log.ts'
import type { PageCapture } from '../../src/metadata/metadata.ts'
import { findPackPlace } from '../../src/packs/pack-place.ts'
import { answering, cutting, type FakeS3, placeIn, startFakeS3 } from '../packs/fake-s3.ts'
import { testDirectory } from '../temporary-directory.ts'

const database = randomBytes(20_000_000)
/** Nothing changes. */
const capture: PageCapture = {
  recordBytes: 4100,
  start: async () => {},
  repeat: async () => {},
  flush: async () => {},
  stop: () => {},
}

async function openStore(): Promise<{
  fake: FakeS3
  dataDir: string
  place: BucketPlace
  take(signal?: AbortSignal): Promise<number>
}> {
  const fake = await startFakeS3()
  onTestFinished(() => fake.close())
  const dataDir = testDirectory()
  const place = placeIn(fake)
  await findPackPlace(dataDir, place)
  await writeFile(join(dataDir, 'trove.db'), database)
  const log = createLog('error', () => {})
  const series = openStoreSeries({ dataDir, place, capture, intervalMs: 60_000, log })
  onTestFinished(() => series.close())
  return {
    fake,
    dataDir,
    place,
    take: async (signal) => (await takeSnapshot(series, { dataDir, place, signal })).number,
  }
}

/** Names of snapshots, without the series. */
function snapshotsIn({ objects }: FakeS3): string[] {
  return [...objects.keys()]
    .filter((key) => key.endsWith('.db.gz'))
    .map((key) => key.replace(/-[0-9a-f]{8}/, ''))
}

test('an interrupted snapshot leaves the one before, and the next one clears up', async () => {
  const { fake, dataDir, take } = await openStore()
  expect(await take()).toBe(2)
  const held = snapshotsIn(fake)
  expect(held).toEqual(['ci/metadata/0000000002.db.gz'])
  const stop = new AbortController()
  let parts = 0
  fake.before = async (request) => {
    if (request.includes('partNumber') && ++parts === 2) stop.abort()
    return undefined
  }
  await expect(take(stop.signal)).rejects.toThrow(/abort/)
  fake.before = cutting
  await expect(take()).rejects.toMatchObject({ code: 'busy' })
  fake.before = answering(403, 'AccessDenied')
  await expect(take()).rejects.toThrow(/AccessDenied/)
  // The changes that would complete it.
  fake.before = async (request, response) =>
    /^PUT .*changes\.gz$/.test(request)
      ? await answering(403, 'AccessDenied')(request, response)
      : undefined
  await expect(take()).rejects.toThrow(/AccessDenied/)
  fake.before = async () => undefined
  expect(snapshotsIn(fake)).toEqual(held)
  expect(fake.uploads.size).toBe(0)

  // What a process leaves that is killed.
  fake.uploads.set('left', { key: 'ci/metadata/x', begunAt: 0, parts: new Map() })
  fake.uploads.set('pack', { key: 'ci/packs/aa/x', begunAt: 0, parts: new Map() })
  // Number 3 is that of changes which may have arrived.
  expect(await take()).toBe(4)
  expect([...fake.uploads.keys()]).toEqual(['pack'])
  expect(await readdir(dataDir)).toEqual(['cas', 'trove.db'])
  const key = [...fake.objects.keys()].find((each) => /0000000004-.*\.db\.gz$/.test(each))!
  expect(gunzipSync(fake.objects.get(key)!.bytes).equals(database)).toBe(true)
})

test('a snapshot says how much of it was sent', async () => {
  const { dataDir, place } = await openStore()
  const log = createLog('error', () => {})
  const jobs = createJobs({ now: Date.now, log })
  const seen: Partial<SnapshotReport>[] = []
  const watched: Jobs = {
    ...jobs,
    start: (kind, work, options) =>
      jobs.start(
        kind,
        async (tell, signal) => await work((each) => tell(seen[seen.push(each) - 1]!), signal),
        options,
      ),
  }
  const snapshots = startSnapshotJobs({
    dataDir,
    place,
    capture,
    findSuccessor: async () => undefined,
    jobs: watched,
    log,
    intervalMs: null,
    changesIntervalMs: 1000,
  })
  onTestFinished(() => snapshots.close())
  const { progress } = await jobs.ended(snapshots.take().id)
  const sizes = seen.map(({ snapshotBytes }) => snapshotBytes!)
  expect(sizes.length).toBeGreaterThan(5)
  expect(sizes).toEqual(sizes.toSorted((a, b) => a - b))
  expect(seen.at(-1)).toEqual(progress)
  expect(new Set(seen.map(({ databaseBytes }) => databaseBytes))).toEqual(new Set([20_000_000]))
})

test('leaves the locks of the database to its connections', async () => {
  const { dataDir, take } = await openStore()
  const path = join(dataDir, 'trove.db')
  await rm(path)
  const database = new SqliteDatabase(path)
  onTestFinished(() => {
    database.close()
  })
  database.pragma('journal_mode = WAL')
  database.exec('CREATE TABLE rows (id INTEGER PRIMARY KEY)')
  const { ino } = statSync(path)
  const locks = (): string[] =>
    readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .filter((line) => line.includes(`:${ino} `))
  expect(locks()).toHaveLength(1)
  for (let taken = 0; taken < 2; taken++) await take()
  expect(locks()).toHaveLength(1)
})

test('a stop does not wait for a capture that does not answer', async () => {
  const { dataDir, place } = await openStore()
  const log = createLog('error', () => {})
  let fail: ((error: Error) => void) | undefined
  const silent: PageCapture = {
    ...capture,
    flush: async () => await new Promise((_, reject) => (fail = reject)),
    stop: () => fail?.(new Error('the capture has ended')),
  }
  const snapshots = startSnapshotJobs({
    dataDir,
    place,
    capture: silent,
    findSuccessor: async () => undefined,
    jobs: createJobs({ now: Date.now, log }),
    log,
    intervalMs: 20,
    changesIntervalMs: 20,
  })
  await vi.waitFor(() => expect(fail).toBeDefined(), 10_000)
  await snapshots.close()
})

test('a stop waits only seconds for a bucket that is silent while a snapshot is sent', async () => {
  const { fake, dataDir, place } = await openStore()
  const log = createLog('error', () => {})
  const snapshots = startSnapshotJobs({
    dataDir,
    place,
    capture,
    findSuccessor: async () => undefined,
    jobs: createJobs({ now: Date.now, log }),
    log,
    intervalMs: 20,
    changesIntervalMs: 20,
  })
  let isSilent = false
  fake.before = async (request) => {
    if (!request.startsWith('PUT')) return undefined
    isSilent = true
    return await new Promise(() => {})
  }
  await vi.waitFor(() => expect(isSilent).toBe(true), 10_000)
  const startedAt = performance.now()
  await snapshots.close()
  expect(performance.now() - startedAt).toBeLessThan(25_000)
})
