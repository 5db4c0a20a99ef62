/** Restores of metadata snapshots that are interrupted, or of which something is missing; others:
 *  clients/snapshot.slow.test.ts. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import SqliteDatabase from 'better-sqlite3'
import { describe, expect, onTestFinished, test } from 'vitest'
import { encodeChanges } from '../../src/lifecycle/snapshot/changes.ts'
import {
  type Restoration,
  restoreSnapshot,
  type RestoredSnapshot,
} from '../../src/lifecycle/snapshot/restore-snapshot.ts'
import { sendCompressed } from '../../src/lifecycle/snapshot/send-compressed.ts'
import { listMetadata, metadataKey } from '../../src/lifecycle/snapshot/snapshots.ts'
import type { Bucket } from '../../src/packs/s3/bucket.ts'
import { openS3Bucket } from '../../src/packs/s3/s3-bucket.ts'
import { createWatermark } from '../../src/packs/watermark.ts'
import { answering, type FakeS3, placeIn, startFakeS3 } from '../packs/fake-s3.ts'
import { openFilesIn } from '../open-files.ts'
import { testDirectory } from '../temporary-directory.ts'

const pageBytes = 4096
const series = '00c0ffee'

/** The longer the text, the more pages. */
function databaseOf(text: string): Buffer {
  const database = new SqliteDatabase(':memory:')
  database.exec('CREATE TABLE texts (text); CREATE TABLE fillers (bytes)')
  database.prepare('INSERT INTO texts VALUES (?)').run(text)
  database
    .prepare('INSERT INTO fillers VALUES (?)')
    .run(Buffer.alloc(text.length * pageBytes, text))
  return database.serialize()
}

function textOf(path: string): unknown {
  const database = new SqliteDatabase(path)
  try {
    return database.prepare('SELECT text FROM texts').pluck().get()
  } finally {
    database.close()
  }
}

/** A process that is killed leaves the log of the database that it worked on. */
async function beKilled(staged: string): Promise<void> {
  const database = new SqliteDatabase(staged)
  database.pragma('journal_mode = WAL')
  database.exec(`UPDATE texts SET text = 'killed'`)
  const log = readFileSync(`${staged}-wal`)
  database.close()
  writeFileSync(`${staged}-wal`, log)
  throw new Error('killed')
}

interface Rig {
  fake: FakeS3
  path: string
  /** Puts a snapshot into the bucket. */
  snapshot(number: number, text: string, of?: string): string
  /** Puts changes into the bucket that turn a database into that of the text: its first pages. */
  changes(number: number, text: string, completes?: number | null, pagesMax?: number): string
  restore(steps?: Partial<Restoration>): Promise<RestoredSnapshot>
}

async function openRig(): Promise<Rig> {
  const fake = await startFakeS3()
  const bucket = await openS3Bucket(placeIn(fake))
  onTestFinished(async () => {
    bucket.close()
    await fake.close()
  })
  const path = join(testDirectory(), 'trove.db')
  const { signal } = new AbortController()
  const put = (place: Parameters<typeof metadataKey>[0], bytes: Buffer): string => {
    const key = `ci/${metadataKey(place)}`
    fake.objects.set(key, { bytes: gzipSync(bytes, { level: 1 }), modifiedAt: place.number * 1000 })
    return key
  }
  return {
    fake,
    path,
    snapshot: (number, text, of = series) =>
      put({ kind: 'snapshot', number, series: of }, databaseOf(text)),
    changes: (number, text, completes = null, pagesMax = Infinity) => {
      const bytes = databaseOf(text)
      const pageCount = bytes.length / pageBytes
      const pages = new Map<number, Buffer>()
      for (let page = 1; page <= Math.min(pageCount, pagesMax); page++)
        pages.set(page, bytes.subarray((page - 1) * pageBytes, page * pageBytes))
      const header = { recordBytes: 4 + pageBytes, pageCount, completes }
      return put(
        { kind: 'changes', number, series },
        Buffer.concat([...encodeChanges(header, pages)]),
      )
    },
    restore: async (steps) =>
      await restoreSnapshot(bucket, {
        path,
        takeOver: async () => {},
        complete: async () => {},
        requireRoom: async () => {},
        signal,
        ...steps,
      }),
  }
}

test('the log that a killed restore leaves does not get into the next one', async () => {
  const { path, snapshot, changes, restore } = await openRig()
  snapshot(1, 'torn')
  changes(1, 'older', 1)
  await expect(restore({ complete: beKilled })).rejects.toThrow('killed')
  snapshot(2, 'torn')
  changes(2, 'newer', 2)
  await restore({
    complete: async (staged) => {
      expect(textOf(staged)).toBe('newer')
    },
  })
  expect(textOf(path)).toBe('newer')
})

test('changes are written over the snapshot in order', async () => {
  const { fake, path, snapshot, changes, restore } = await openRig()
  changes(7, 'of an earlier snapshot')
  snapshot(8, 'torn')
  changes(8, 'torn, too')
  changes(9, 'complete', 8)
  changes(10, 'last', 8)
  const sizes = [...fake.objects.values()].map(({ bytes }) => bytes.length)
  expect(await restore()).toEqual({
    number: 8,
    takenAt: '1970-01-01T00:00:10.000Z',
    sizeBytes: sizes.slice(1).reduce((sum, size) => sum + size),
    changes: 3,
    lostChanges: 0,
    damagedSnapshots: 0,
  })
  expect(openFilesIn(path)).toBe(0)
  expect(textOf(path)).toBe('last')
  expect(readFileSync(path).equals(databaseOf('last'))).toBe(true)
})

test('what has not changed is that of the snapshot', async () => {
  const { path, snapshot, changes, restore } = await openRig()
  snapshot(1, 'unchanged')
  changes(1, 'unchanged', 1, 1)
  await restore()
  expect(readFileSync(path).equals(databaseOf('unchanged'))).toBe(true)
})

test('many changes are read some ahead, each once and in order', async () => {
  const { fake, path, snapshot, changes, restore } = await openRig()
  snapshot(1, 'torn')
  for (let number = 1; number <= 50; number++) changes(number, `text ${number}`, 1)
  const reads: string[] = []
  let running = 0
  let most = 0
  fake.before = async (request) => {
    if (!request.includes('changes.gz')) return undefined
    reads.push(request)
    most = Math.max(most, (running += 1))
    await sleep(50)
    running -= 1
    return undefined
  }
  expect(await restore()).toMatchObject({ changes: 50, lostChanges: 0 })
  expect(textOf(path)).toBe('text 50')
  expect(new Set(reads).size).toBe(50)
  expect(reads).toHaveLength(50)
  expect(most).toBeGreaterThan(4)
  expect(most).toBeLessThan(20)
})

describe('what a server sends until the bucket is taken over is restored:', () => {
  test('changes', async () => {
    const { path, snapshot, changes, restore } = await openRig()
    snapshot(1, 'torn')
    changes(1, 'complete', 1)
    const takeOver = async (): Promise<void> => {
      changes(2, 'acknowledged', 1)
    }
    expect(await restore({ takeOver })).toMatchObject({ number: 1, changes: 2 })
    expect(textOf(path)).toBe('acknowledged')
  })

  test('a snapshot', async () => {
    const { path, snapshot, changes, restore } = await openRig()
    snapshot(1, 'torn')
    changes(1, 'complete', 1)
    const takeOver = async (): Promise<void> => {
      snapshot(2, 'torn')
      changes(2, 'acknowledged', 2)
    }
    expect(await restore({ takeOver })).toMatchObject({ number: 2, changes: 1 })
    expect(textOf(path)).toBe('acknowledged')
  })
})

describe('what is missing', () => {
  test('ends the changes that are restored', async () => {
    const { path, snapshot, changes, restore } = await openRig()
    snapshot(1, 'torn')
    changes(1, 'complete', 1)
    changes(3, 'after a gap', 1)
    expect(await restore()).toMatchObject({ changes: 1, lostChanges: 1 })
    expect(textOf(path)).toBe('complete')
  })

  test('or damaged does so, too', async () => {
    const { fake, path, snapshot, changes, restore } = await openRig()
    snapshot(1, 'torn')
    changes(1, 'complete', 1)
    fake.objects.get(changes(2, 'damaged', 1))!.bytes.fill(0, 100, 110)
    changes(3, 'later', 1)
    expect(await restore()).toMatchObject({ changes: 1, lostChanges: 2 })
    expect(textOf(path)).toBe('complete')
  })

  test('makes a snapshot useless that it would complete', async () => {
    const { path, snapshot, changes, restore } = await openRig()
    snapshot(1, 'torn')
    changes(1, 'complete', 1)
    changes(2, 'last before the snapshot', 1)
    snapshot(4, 'torn')
    changes(4, 'not yet complete', 1)
    expect(await restore()).toMatchObject({ number: 1, changes: 2, damagedSnapshots: 1 })
    expect(textOf(path)).toBe('last before the snapshot')
  })

  test('is not taken from another series', async () => {
    const { path, snapshot, changes, restore } = await openRig()
    snapshot(1, 'torn')
    changes(1, 'complete', 1)
    snapshot(2, 'torn', 'badc0de0')
    changes(2, 'of the first one', 2)
    expect(await restore()).toMatchObject({ number: 1, changes: 2, damagedSnapshots: 1 })
    expect(textOf(path)).toBe('of the first one')
  })
})

test('a damaged snapshot is passed over', async () => {
  const { fake, path, snapshot, changes, restore } = await openRig()
  snapshot(1, 'torn')
  changes(1, 'older', 1)
  fake.objects.get(snapshot(2, 'torn'))!.bytes.fill(0, 100, 110)
  changes(2, 'newer', 2)
  expect(await restore()).toMatchObject({ number: 1, changes: 2, damagedSnapshots: 1 })
  expect(textOf(path)).toBe('newer')
})

describe('whoever may write to the bucket', () => {
  test('cannot make a snapshot inflate without bound', async () => {
    const { fake, path, snapshot, changes, restore } = await openRig()
    snapshot(1, 'torn')
    changes(1, 'older', 1)
    const bomb = gzipSync(Buffer.alloc(16 * 1024 * 1024))
    fake.objects.get(snapshot(2, 'torn'))!.bytes = bomb
    let writtenBytes = 0
    const requireRoom = async (bytes = 0): Promise<void> => {
      writtenBytes += bytes
    }
    expect(await restore({ requireRoom })).toMatchObject({ number: 1, damagedSnapshots: 1 })
    expect(writtenBytes).toBeGreaterThan(bomb.length)
    expect(writtenBytes).toBeLessThan(300 * bomb.length)
    expect(textOf(path)).toBe('older')
  })

  test('cannot make a listing hold without bound', async () => {
    async function* list(): ReturnType<Bucket['list']> {
      yield { key: 'metadata/other', sizeBytes: 1, modifiedAt: 0 }
      for (let number = 1; ; number++) {
        const key = metadataKey({ kind: 'changes', number, series })
        yield { key, sizeBytes: 1, modifiedAt: 0 }
      }
    }
    await expect(listMetadata({ list }, 3)).rejects.toMatchObject({
      code: 'too_large',
      details: { limitValue: 3 },
    })
  })

  test('learns why the newest was not taken', async () => {
    const { fake, snapshot, restore } = await openRig()
    fake.objects.get(snapshot(1, 'x'))!.bytes = gzipSync(Buffer.alloc(1024 * 1024))
    await expect(restore()).rejects.toThrow(
      /none of the 1 .* intact; the newest: the metadata snapshot .* more than 256 times its size/,
    )
  })

  test.each(['snapshot', 'changes'])('cannot fill the disk by a large %s', async (kind) => {
    const { path, snapshot, changes, restore } = await openRig()
    snapshot(1, kind === 'snapshot' ? 'a long one'.repeat(10) : 'x')
    changes(1, kind === 'changes' ? 'a long one'.repeat(10) : 'x', 1)
    let freeBytes = 300_000
    const disk = createWatermark(1, async () => freeBytes)
    const requireRoom = async (bytes = 0): Promise<void> => {
      await disk(bytes)
      freeBytes -= bytes
    }
    await expect(restore({ requireRoom })).rejects.toMatchObject({ code: 'storage_full' })
    expect(readdirSync(dirname(path))).toEqual([])
  })

  test('cannot make a restore hold changes of any length in memory', async () => {
    const { fake, path, snapshot, changes, restore } = await openRig()
    snapshot(1, 'torn')
    changes(1, 'complete', 1)
    const key = changes(2, 'too long', 1)
    fake.objects.get(key)!.bytes = Buffer.alloc(64 * 1024 * 1024 + 1)
    expect(await restore()).toMatchObject({ changes: 1, lostChanges: 1 })
    expect(fake.requests.filter((request) => request.includes(key))).toEqual([])
    expect(textOf(path)).toBe('complete')
  })

  test.each([
    { recordBytes: 0, pageCount: 8 },
    { recordBytes: 4, pageCount: 8 },
    { recordBytes: 4100, pageCount: 0.5 },
    { recordBytes: 4100, pageCount: 2 ** 40 },
  ])('cannot send changes of %j', async (header) => {
    const { fake, path, snapshot, changes, restore } = await openRig()
    snapshot(1, 'torn')
    changes(1, 'complete', 1)
    const text = `${JSON.stringify({ ...header, completes: 1 })}\n${'x'.repeat(8200)}`
    fake.objects.get(changes(2, 'hostile', 1))!.bytes = gzipSync(text)
    expect(await restore()).toMatchObject({ changes: 1, lostChanges: 1 })
    expect(textOf(path)).toBe('complete')
  })
})

test('what a snapshot compresses best stays within the bound', async () => {
  const { fake, path, restore } = await openRig()
  const bucket = await openS3Bucket(placeIn(fake))
  const key = metadataKey({ kind: 'snapshot', number: 1, series })
  const zeros = Buffer.alloc(32 * 1024 * 1024)
  await sendCompressed(bucket, { key, source: [zeros] })
  bucket.close()
  const { bytes } = fake.objects.get(`ci/${key}`)!
  expect(zeros.length / bytes.length).toBeGreaterThan(100)
  await expect(restore()).rejects.toThrow('that complete')
  expect(existsSync(path)).toBe(false)
})

describe('nothing is restored', () => {
  test('from a bucket without snapshots', async () => {
    const { path, changes, restore } = await openRig()
    changes(1, 'of nothing', 1)
    await expect(restore()).rejects.toMatchObject({ code: 'not_found' })
    expect(existsSync(path)).toBe(false)
  })

  test('from damaged snapshots', async () => {
    const { fake, path, snapshot, restore } = await openRig()
    for (const number of [1, 2]) fake.objects.get(snapshot(number, 'x'))!.bytes.fill(0, 100, 110)
    await expect(restore()).rejects.toMatchObject({ code: 'blob_damaged' })
    expect(readdirSync(dirname(path))).toEqual([])
  })

  test.each(['0000000002-.*db', '0000000003-.*changes'])(
    'from older objects while %s cannot be read',
    async (name) => {
      const { fake, path, snapshot, changes, restore } = await openRig()
      for (const number of [1, 2]) {
        snapshot(number, 'torn')
        changes(number, 'complete', number)
      }
      changes(3, 'last', 2)
      const { before } = fake
      fake.before = async (request, response) =>
        new RegExp(`^GET .*${name}`).test(request)
          ? await answering(403, 'AccessDenied')(request, response)
          : await before(request, response)
      await expect(restore()).rejects.toThrow('AccessDenied')
      expect(readdirSync(dirname(path))).toEqual([])
      fake.before = before
      expect(await restore()).toMatchObject({ number: 2, changes: 2 })
      expect(textOf(path)).toBe('last')
    },
  )
})
