/** Starts on an empty data directory, as far as no process is needed; others:
 *  clients/restore-at-start.slow.test.ts. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import SqliteDatabase from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { noFacts, parseProjectName } from '../../src/core/run/run.ts'
import {
  restoreAtStart,
  type RestoreSettings,
} from '../../src/lifecycle/recovery/restore-at-start.ts'
import { encodeChanges } from '../../src/lifecycle/snapshot/changes.ts'
import { metadataKey } from '../../src/lifecycle/snapshot/snapshots.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { openPackWriter } from '../../src/packs/format/pack-format.ts'
import { openS3Bucket } from '../../src/packs/s3/s3-bucket.ts'
import { openS3PackStore } from '../../src/packs/s3/s3.ts'
import { makeDirectory } from '../client/tree.ts'
import { answering, type FakeS3, keyOf, placeIn, startFakeS3 } from '../packs/fake-s3.ts'
import { makeMember } from '../packs/pack-members.ts'
import { createLog } from '../../src/log.ts'

interface Rig {
  fake: FakeS3
  dataDir: string
  /** Messages of the log, and what the start was doing. */
  lines: string[]
  steps: string[]
  /** Puts a snapshot into the bucket of a store that has the project. */
  snapshot(project: string): Promise<void>
  restore(settings?: Partial<RestoreSettings>): Promise<boolean>
  /** Projects of the database that was restored. */
  projects(): unknown[]
}

async function openRig(): Promise<Rig> {
  const fake = await startFakeS3()
  onTestFinished(() => fake.close())
  const dataDir = await makeDirectory()
  const lines: string[] = []
  const steps: string[] = []
  const log = createLog('info', (line) => lines.push(line))
  const rig: Rig = {
    fake,
    dataDir,
    lines,
    steps,
    snapshot: async (project) => {
      const path = join(await makeDirectory(), 'trove.db')
      const metadata = openSqliteMetadata({ path })
      const run = { project: parseProjectName(project), number: 1, attempt: 1 }
      await metadata.ensureRun(run, noFacts, Date.now())
      await metadata.close()
      const database = readFileSync(path)
      const header = { recordBytes: 4 + 4096, pageCount: database.length / 4096, completes: 1 }
      const first = new Map([[1, database.subarray(0, 4096)]])
      const changes = Buffer.concat([...encodeChanges(header, first)])
      for (const [kind, bytes] of Object.entries({ snapshot: database, changes })) {
        const key = metadataKey({ kind: kind as 'snapshot', number: 1, series: '00c0ffee' })
        fake.objects.set(`ci/${key}`, { bytes: gzipSync(bytes), modifiedAt: 1000 })
      }
    },
    restore: async (settings) =>
      await restoreAtStart(
        {
          dataDir,
          minFreeBytes: null,
          packBucket: placeIn(fake),
          restore: true,
          changesIntervalMs: null,
          secretKey: Buffer.alloc(32),
          attestationKey: Buffer.alloc(32),
          retention: { defaultMs: 60_000 },
          artifactBytesMax: 1,
          entriesMax: 1,
          compressionLevel: 6,
          stockZips: 'exact',
          ...settings,
        },
        {
          log,
          onStep: (step) => steps.push(step),
          signal: new AbortController().signal,
        },
      ),
    projects: () => {
      const database = new SqliteDatabase(join(dataDir, 'trove.db'))
      try {
        return database.prepare('SELECT owner_repo FROM projects').pluck().all()
      } finally {
        database.close()
      }
    },
  }
  return rig
}

test('an empty bucket becomes that of a new store, and one with a snapshot is restored and taken over', async () => {
  const { fake, dataDir, snapshot, restore, projects, steps } = await openRig()
  expect(await restore()).toBe(true)
  const own = fake.objects.get('ci/owner')!.bytes.toString()
  expect(existsSync(join(dataDir, 'trove.db'))).toBe(false)
  await snapshot('octo/demo')
  expect(await restore()).toBe(false)
  expect(readdirSync(dataDir).toSorted()).toEqual(['cas', 'reserve', 'trove.db'])
  expect(projects()).toEqual(['octo/demo'])
  expect(steps[0]).toMatch(/^restoring the metadata, [\d.]+ KiB of [\d.]+ KiB$/)
  expect(fake.objects.get('ci/owner')!.bytes.toString()).not.toBe(own)
  // Now there is a database.
  await snapshot('octo/other')
  expect(await restore()).toBe(false)
  expect(projects()).toEqual(['octo/demo'])
})

test('without the setting, and with packs on the disk, nothing is restored', async () => {
  const { fake, snapshot, restore } = await openRig()
  await snapshot('octo/demo')
  expect(await restore({ restore: false })).toBe(false)
  expect(await restore({ packBucket: null })).toBe(false)
  expect(fake.requests).toEqual([])
})

test('a store that appears while a new one takes the bucket is restored', async () => {
  const { fake, snapshot, restore, projects } = await openRig()
  fake.after = async (request) => {
    if (request === 'PUT ci/owner') await snapshot('octo/demo')
    return undefined
  }
  expect(await restore()).toBe(false)
  expect(projects()).toEqual(['octo/demo'])
})

test('changes without a snapshot, as a kill during the first one leaves them, are no store', async () => {
  const { fake, snapshot, restore } = await openRig()
  await snapshot('octo/demo')
  for (const key of fake.objects.keys()) if (key.endsWith('.db.gz')) fake.objects.delete(key)
  expect(await restore()).toBe(true)
})

test('packs without a snapshot are left to whoever knows them', async () => {
  const { fake, dataDir, restore } = await openRig()
  fake.objects.set(keyOf('ab'.repeat(16)), { bytes: Buffer.from('pack'), modifiedAt: 1 })
  await expect(restore()).rejects.toThrow(/has packs, such as .*, but no metadata snapshot/)
  expect(existsSync(join(dataDir, 'cas'))).toBe(false)
  expect(fake.objects.has('ci/owner')).toBe(false)
})

test('what is interrupted begins again, and what cannot be read is no empty bucket', async () => {
  const { fake, dataDir, snapshot, restore, projects } = await openRig()
  await snapshot('octo/demo')
  const denied = answering(403, 'AccessDenied')
  fake.before = denied
  await expect(restore()).rejects.toThrow(/AccessDenied/)
  // While packs are imported.
  fake.before = async (request, response) =>
    request === 'GET ci/format' ? await denied(request, response) : undefined
  await expect(restore()).rejects.toThrow(/AccessDenied/)
  expect(existsSync(join(dataDir, 'trove.db'))).toBe(false)
  fake.before = async () => undefined
  // The bucket is this directory's already, so a new store would find its packs.
  await expect(restore({ restore: false })).rejects.toThrow(/interrupted, of which .*new is left/)
  await restore()
  expect(projects()).toEqual(['octo/demo'])
  expect(await restore({ restore: false })).toBe(false)
})

test('a pack that cannot be read is named', async () => {
  const { fake, snapshot, restore, lines } = await openRig()
  await snapshot('octo/demo')
  const name = 'ab'.repeat(16)
  fake.objects.set('ci/format', { bytes: Buffer.from('trove-cas 1\n'), modifiedAt: 1 })
  fake.objects.set(keyOf(name), { bytes: Buffer.from('pack'), modifiedAt: 1 })
  await restore()
  const messages = lines.slice(-2).map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(messages).toMatchObject([
    { level: 'warn', message: 'restored, but not all of it', unreadablePacks: 1 },
    { level: 'error', packs: `packs/ab/${name}.zip` },
  ])
})

// Goal: probes are answered while packs are imported. Method: a pack whose contents take long to
// verify, in one read of the bucket.
test('packs are imported beside the event loop', async () => {
  const { fake, snapshot, restore, lines } = await openRig()
  await snapshot('octo/demo')
  const store = await openS3PackStore(await openS3Bucket(placeIn(fake)))
  const writer = await openPackWriter(store)
  for (let number = 0; number < 40; number++) {
    const member = await makeMember('deflate', Buffer.alloc(8 * 1024 * 1024, `${number} `))
    await writer.append(member, member.stream)
  }
  await writer.seal()
  await store.close()
  const begun = performance.now()
  const longestMs = await longestBlock(restore)
  expect(longestMs).toBeLessThan((performance.now() - begun) / 4)
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ packs: 1, copies: 40, damagedCopies: 0 })
})

/** The longest time that the event loop could not turn while something ran. */
async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  let longestMs = 0
  let isOver = false
  let turnedAt = performance.now()
  const turn = (): void => {
    longestMs = Math.max(longestMs, performance.now() - turnedAt)
    turnedAt = performance.now()
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  await work()
  isOver = true
  turn()
  return longestMs
}

test('a database whose bucket another server has taken over is not started', async () => {
  const { fake, dataDir, snapshot, restore } = await openRig()
  await snapshot('octo/demo')
  await restore()
  fake.objects.set('ci/owner', { bytes: Buffer.from('another'), modifiedAt: 1 })
  await expect(restore()).rejects.toThrow(/^another server has taken over s3:\/\/store\/ci/)
  // Nor is one that lacks its file.
  await rm(join(dataDir, 'trove.db'))
  writeFileSync(join(dataDir, 'trove.db-wal'), 'log')
  await expect(restore()).rejects.toThrow(/trove\.db-wal exists/)
})

test.each([
  ['all of it', undefined, 'restored'],
  ['changes after a gap', 'metadata/0000000003-00c0ffee.changes.gz', 'restored, but not all of it'],
  ['a damaged snapshot', 'metadata/0000000009-0badc0de.db.gz', 'restored, but not all of it'],
])('the log says whether all was restored: %s', async (_what, damaged, message) => {
  const { fake, lines, snapshot, restore } = await openRig()
  await snapshot('octo/demo')
  if (damaged !== undefined)
    fake.objects.set(`ci/${damaged}`, { bytes: Buffer.from('torn'), modifiedAt: 1 })
  await restore()
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ message })
})

test('the log says what the loss of the directory would take', async () => {
  const { lines, restore } = await openRig()
  await restore()
  expect(lines).toEqual([])
  await restore({ changesIntervalMs: 10_000, secretKey: null })
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { level: 'warn', interval: '10s' },
    { level: 'warn', files: 'secret.key' },
  ])
})
