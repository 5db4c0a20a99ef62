/** What a metadata snapshot removes from the bucket, and a store that leaves it; others:
 *  snapshot.slow.test.ts. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openStoreSeries } from '../../src/lifecycle/snapshot/series.ts'
import { metadataKey, removeSomeMetadata } from '../../src/lifecycle/snapshot/snapshots.ts'
import { takeSnapshot } from '../../src/lifecycle/snapshot/take-snapshot.ts'
import { createLog } from '../../src/log.ts'
import type { PageCapture, PageSink } from '../../src/metadata/metadata.ts'
import { findPackPlace } from '../../src/packs/pack-place.ts'
import { type FakeS3, placeIn, startFakeS3 } from '../packs/fake-s3.ts'
import { testDirectory } from '../temporary-directory.ts'

const recordBytes = 4100

async function openStore(): Promise<{
  fake: FakeS3
  take(): Promise<unknown>
  /** Changes the first page, and sends it. */
  change(): Promise<void>
}> {
  const fake = await startFakeS3()
  onTestFinished(() => fake.close())
  const dataDir = testDirectory()
  const place = placeIn(fake)
  await findPackPlace(dataDir, place)
  await writeFile(join(dataDir, 'trove.db'), 'a database')
  let sink: PageSink | undefined
  const capture: PageCapture = {
    recordBytes,
    start: async (to) => {
      sink = to
    },
    repeat: async () => {},
    flush: async () => sink?.onCommitted(1),
    stop: () => {},
  }
  const log = createLog('error', () => {})
  const series = openStoreSeries({ dataDir, place, capture, intervalMs: 60_000, log })
  onTestFinished(() => series.close())
  return {
    fake,
    take: async () => await takeSnapshot(series, { dataDir, place }),
    change: async () => {
      const record = Buffer.alloc(recordBytes)
      record.writeUInt32BE(1)
      sink!.onPages(record)
      await series.confirm()
    },
  }
}

/** Names of snapshots and changes, without zeros and the series. */
function namesIn(keys: Iterable<string>): string[] {
  return [...keys].flatMap((key) => {
    const [, number, end] = /metadata\/0*(\d+)-[0-9a-f]{8}(\..*)$/.exec(key) ?? []
    return number === undefined ? [] : [number + end!]
  })
}

test('two snapshots are kept, with the changes since the older one; those of a snapshot go last', async () => {
  const { fake, take, change } = await openStore()
  for (let taken = 1; taken <= 3; taken++) {
    await take()
    await change()
  }
  expect(namesIn(fake.objects.keys()).toSorted()).toEqual([
    '4.changes.gz',
    '4.db.gz',
    '5.changes.gz',
    '6.changes.gz',
    '6.db.gz',
    '7.changes.gz',
  ])
  const removed = namesIn(fake.requests.filter((request) => request.startsWith('DELETE')))
  expect(removed).toEqual(['2.db.gz', '3.changes.gz', '2.changes.gz'])
})

test('a server removes nothing, and sends nothing, once another one has its bucket', async () => {
  const { fake, take } = await openStore()
  await take()
  fake.objects.set('ci/owner', { bytes: Buffer.from('another'), modifiedAt: 1 })
  fake.uploads.set('its', { key: 'ci/metadata/0000000004-x', begunAt: 0, parts: new Map() })
  fake.requests.length = 0
  await expect(take()).rejects.toMatchObject({ code: 'invalid_request' })
  expect(fake.requests.filter((request) => !request.startsWith('GET'))).toEqual([])
})

// A restore lists at most 400,000.
test('of however many objects a store has in the bucket that it leaves, a thousand are listed at a time', async () => {
  const held = new Set(
    Array.from({ length: 2001 }, (_, number) =>
      metadataKey({ kind: 'changes', number, series: '01234567' }),
    ),
  )
  let listed = 0
  const bucket: Parameters<typeof removeSomeMetadata>[0] = {
    async *list() {
      for (const key of held) {
        listed += 1
        yield { key, sizeBytes: 1, modifiedAt: 0 }
      }
    },
    remove: async (key) => {
      held.delete(key)
    },
    async *listUploads() {},
    abortUpload: async () => {},
  }
  const left: number[] = []
  while (await removeSomeMetadata(bucket, async () => {})) left.push(held.size)
  expect([left, listed]).toEqual([[1001, 1, 0], 2001])
})
