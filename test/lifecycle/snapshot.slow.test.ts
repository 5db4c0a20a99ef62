/** Metadata snapshots that are interrupted. */
import { randomBytes } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { takeSnapshot } from '../../src/lifecycle/snapshot/take-snapshot.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { findPackPlace } from '../../src/packs/pack-place.ts'
import { answering, cutting, type FakeS3, placeIn, startFakeS3 } from '../packs/fake-s3.ts'
import { testDirectory } from '../temporary-directory.ts'

const database = randomBytes(20_000_000)
const metadata = {
  copyTo: async (path: string) => {
    await writeFile(path, database)
    return 0
  },
} as Partial<Metadata> as Metadata

async function openStore(): Promise<{
  fake: FakeS3
  dataDir: string
  take(signal?: AbortSignal): Promise<number>
}> {
  const fake = await startFakeS3()
  onTestFinished(() => fake.close())
  const dataDir = testDirectory()
  const place = placeIn(fake)
  await findPackPlace(dataDir, place)
  return {
    fake,
    dataDir,
    take: async (signal) => (await takeSnapshot({ metadata, signal }, { dataDir, place })).number,
  }
}

function snapshotsIn({ objects }: FakeS3): string[] {
  return [...objects.keys()].filter((key) => key.startsWith('ci/metadata/'))
}

test('an interrupted snapshot leaves the one before, and the next one clears up', async () => {
  const { fake, dataDir, take } = await openStore()
  expect(await take()).toBe(1)
  const held = snapshotsIn(fake)
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
  fake.before = async () => undefined
  expect(snapshotsIn(fake)).toEqual(held)
  expect(await readdir(dataDir)).toEqual(['cas'])

  // What a process leaves that is killed.
  await writeFile(join(dataDir, 'snapshot.db'), 'half')
  fake.uploads.set('left', { key: 'ci/metadata/x', begunAt: 0, parts: new Map() })
  fake.uploads.set('pack', { key: 'ci/packs/aa/x', begunAt: 0, parts: new Map() })
  expect(await take()).toBe(2)
  expect([...fake.uploads.keys()]).toEqual(['pack'])
  expect(await readdir(dataDir)).toEqual(['cas'])
  const sent = gunzipSync(fake.objects.get('ci/metadata/0000000002.db.gz')!.bytes)
  expect(sent.equals(database)).toBe(true)
})
