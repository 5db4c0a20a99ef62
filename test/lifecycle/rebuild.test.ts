/** A lost database: what can be recovered from packs, and that nothing deletes them before. */
import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, stat, truncate, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { joiningEnd } from '../../src/core/bytes/copy.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { storeError } from '../../src/core/errors.ts'
import { compactPacks, createPace } from '../../src/lifecycle/collect/compact.ts'
import { rebuildFromPacks, type RebuildReport } from '../../src/lifecycle/recovery/rebuild.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { openPackWriter } from '../../src/packs/format/pack-format.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import type { PackStore, SealedPack } from '../../src/packs/pack-store.ts'
import { readCopies } from '../../src/packs/read-copies.ts'
import { crc32 } from '../../src/core/bytes/crc32.ts'
import { type TestStore, openStore, zipOf } from '../ingest/open-store.ts'
import { findBlob } from '../metadata/find-blob.ts'
import { recognizeAll } from '../packs/pack-members.ts'
import { day, scrubNow } from './collection.ts'
import { flipByte, packPaths, spoil, wholePacks } from './stored-bytes.ts'
import { turns } from '../turns.ts'
import { noFacts } from '../../src/core/run/run.ts'
import { recoverAt } from './store-at.ts'

const files = {
  'a.txt': 'alpha '.repeat(500),
  'b.bin': randomBytes(50_000).toString('latin1'),
  empty: '',
}

async function putBoth(store: TestStore): Promise<void> {
  await store.putTar('tree', files)
  await store.putZip('stock', files)
}

/** Opens the same packs with an empty database. */
async function loseDatabase(store: TestStore): Promise<TestStore> {
  const path = join(store.directory, 'new.db')
  const metadata: Metadata = openSqliteMetadata({ path })
  onTestFinished(async () => await metadata.close())
  return { ...store, metadata, ports: { ...store.ports, metadata } }
}

/** A store with two artifacts that has lost its database. */
async function openLost(): Promise<TestStore> {
  const store = await openStore()
  await putBoth(store)
  return await loseDatabase(store)
}

const rebuild = async (store: TestStore): Promise<RebuildReport> =>
  await rebuildFromPacks(store.ports, { expiresAt: store.ports.now() + 86_400_000 })

/** Begins to rebuild, and crashes between two steps. */
async function crash(
  { ports }: TestStore,
  expiresAt: number,
  at = 'rebuild-pack-registered',
): Promise<void> {
  const checkpoint = (step: string): void => {
    if (step === at) throw new Error('crash')
  }
  const rebuilt = rebuildFromPacks({ ...ports, checkpoint }, { expiresAt })
  await expect(rebuilt).rejects.toThrow('crash')
}

async function recoverAtStart(store: TestStore): ReturnType<typeof recoverAt> {
  return await recoverAt(store.directory, store.ports)
}

describe('a start with a lost database', () => {
  test('deletes nothing and says what to do', async () => {
    const store = await openStore()
    await putBoth(store)
    const before = await packPaths(join(store.directory, 'cas'))
    for (const path of before) await utimes(path, 1, 1)
    const lost = await loseDatabase(store)
    await expect(recoverAtStart(lost)).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('trove recover --from-packs') as string,
    })
    expect(await packPaths(join(store.directory, 'cas'))).toEqual(before)
  })

  test('succeeds once the packs are imported, and keeps all of them', async () => {
    const lost = await openLost()
    expect(await rebuild(lost)).toMatchObject({
      packs: 2,
      copies: 6,
      damagedCopies: 0,
      damagedPacks: 0,
    })
    expect(await recoverAtStart(lost)).toMatchObject({
      unknownPacks: 0,
      removedBlobs: 0,
      freedBytes: 0,
    })
    expect(await scrubNow(lost.ports)).toMatchObject({
      packs: 2,
      damagedCopies: 0,
      drifts: 0,
    })
    // As a crash leaves it.
    const sink = await lost.packs.create()
    await sink.write(Buffer.from('nobody will ever ask for this'))
    await sink.seal()
    expect(await recoverAtStart(lost)).toMatchObject({ unknownPacks: 1 })
  })
})

describe('a rebuild', () => {
  test('finds every content, and repeating an upload in either form finds all of it', async () => {
    const lost = await openLost()
    await rebuild(lost)
    const { metadata, run } = lost
    const zips = await Promise.all([1, 2].map(async (id) => await zipOf(lost, id)))
    for (const content of Object.values(files)) {
      const digest = digestOf(content)
      expect(await findBlob(join(lost.directory, 'new.db'), digest)).toBeDefined()
      expect(zips.some((zip) => zip.includes(`sha256/${digest}`))).toBe(true)
    }
    const { projectId } = await metadata.ensureRun(
      { project: run.project, number: 1, attempt: 1 },
      noFacts,
      lost.ports.now(),
    )
    const session = await metadata.openSession({ projectId, now: lost.ports.now(), leaseMs: 1e9 })
    const contents = Object.values(files).map((content) => Buffer.from(content))
    const streams = contents.map((content) => digestOf(deflateRawSync(content)))
    const blobs = await metadata.claimBlobs(
      session,
      contents.map((content) => digestOf(content)),
    )
    expect(blobs.map((blob) => blob.joins)).toEqual([true, true, true])
    expect(await metadata.claimStreams(session, streams)).toHaveLength(streams.length)
  })

  test('can be repeated with the same result', async () => {
    const lost = await openLost()
    await rebuild(lost)
    for (let time = 0; time < 2; time++)
      expect(await rebuild(lost)).toMatchObject({ packs: 0, knownPacks: 2 })
  })

  test('of a store that knows all its packs adds nothing', async () => {
    const store = await openStore()
    await putBoth(store)
    const projects = await store.metadata.listProjects({ after: 0, limit: 9 })
    expect(await rebuild(store)).toMatchObject({ packs: 0, knownPacks: 2 })
    expect(await store.metadata.listProjects({ after: 0, limit: 9 })).toEqual(projects)
  })

  test('resumes after a crash between any two steps', async () => {
    const lost = await openLost()
    await crash(lost, 1e15)
    expect(await rebuild(lost)).toMatchObject({ packs: 2, knownPacks: 0 })
  })

  test('that was interrupted resumes days later', async () => {
    const lost = await openLost()
    const expiresAt = lost.ports.now() + 90 * day
    await crash(lost, expiresAt)
    const later = { ...lost.ports, now: () => lost.ports.now() + 3 * day }
    expect(await rebuildFromPacks(later, { expiresAt })).toMatchObject({ packs: 2, knownPacks: 0 })
    expect(await recoverAtStart(lost)).toMatchObject({ freedBytes: 0 })
  })

  // Each known pack would take two transactions, at every attempt.
  test('that resumes writes nothing for packs whose import is complete', async () => {
    const lost = await openLost()
    await crash(lost, 1e15, 'rebuild-pack-published')
    const { metadata } = lost
    let opened = 0
    const openOfferSession: Metadata['openOfferSession'] = async (session) => {
      opened += 1
      return await metadata.openOfferSession(session)
    }
    const ports = { ...lost.ports, metadata: { ...metadata, openOfferSession } }
    const resumed = await rebuildFromPacks(ports, { expiresAt: 1e15 })
    expect(resumed).toMatchObject({ packs: 1, knownPacks: 1 })
    expect(opened).toBe(1)
  })

  test('that was interrupted keeps a start from deleting the packs that are left', async () => {
    const store = await openStore()
    const old = join(store.directory, 'old.db')
    await store.metadata.copyTo(old)
    await putBoth(store)
    const before = await packPaths(join(store.directory, 'cas'))
    const metadata: Metadata = openSqliteMetadata({ path: old })
    onTestFinished(async () => await metadata.close())
    const restored = { ...store, metadata, ports: { ...store.ports, metadata } }
    await crash(restored, 1e15, 'rebuild-pack-published')
    await expect(recoverAtStart(restored)).rejects.toMatchObject({ code: 'invalid_request' })
    expect(await packPaths(join(store.directory, 'cas'))).toEqual(before)
    expect(await rebuild(restored)).toMatchObject({ packs: 1, knownPacks: 1 })
    expect(await recoverAtStart(restored)).toMatchObject({ unknownPacks: 0, freedBytes: 0 })
  })

  // Goal: what compaction has moved since the older database was copied is found in its new pack.
  // Otherwise an imported copy is surplus, and the one in the missing pack stays the serving one.
  test('after the restore of an older database serves contents from the packs that hold them now', async () => {
    const store = await openStore()
    await putBoth(store)
    const old = join(store.directory, 'old.db')
    await store.metadata.copyTo(old)
    const cas = join(store.directory, 'cas')
    const before = await packPaths(cas)
    await compactPacks(store.ports, await wholePacks(store.metadata), createPace(null))
    for (const path of before) await rm(path)

    const metadata: Metadata = openSqliteMetadata({ path: old })
    onTestFinished(async () => await metadata.close())
    // A store that has read the lost packs still has them open.
    const packs = await openLocalPackStore({ directory: cas })
    onTestFinished(async () => await packs.close())
    const restored = { ...store, metadata, packs, ports: { ...store.ports, metadata, packs } }
    await expect(recoverAtStart(restored)).rejects.toMatchObject({
      message: expect.stringContaining('trove recover --from-packs') as string,
    })
    expect(await rebuild(restored)).toMatchObject({ missingPacks: 2, damagedArtifacts: 0 })
    expect(await scrubNow(restored.ports)).toMatchObject({
      damagedCopies: 0,
      damagedArtifacts: 0,
    })
  })

  test('after the restore of an older database reports artifacts whose contents are gone', async () => {
    const store = await openStore()
    await putBoth(store)
    for (const path of await packPaths(join(store.directory, 'cas'))) await rm(path)
    expect(await rebuild(store)).toMatchObject({ packs: 0, missingPacks: 2, damagedArtifacts: 2 })
  })

  test('leaves damaged copies out, and reads packs without a directory from their headers', async () => {
    const store = await openStore()
    await putBoth(store)
    const cas = join(store.directory, 'cas')
    await spoil(cas, encodeJoiningSync(Buffer.from(files['a.txt']), 6))
    for (const path of await packPaths(cas)) await flipByte(path, (await stat(path)).size - 1)
    const lost = await loseDatabase(store)
    expect(await rebuild(lost)).toMatchObject({
      packs: 2,
      copies: 5,
      damagedCopies: 1,
      damagedPacks: 2,
    })
  })

  test('lists packs without readable copies, and a start succeeds without these', async () => {
    const store = await openStore()
    await putBoth(store)
    const [path, other] = await packPaths(join(store.directory, 'cas'))
    await truncate(path!, 10)
    for (const each of [path!, other!]) await utimes(each, 1, 1)
    const lost = await loseDatabase(store)
    const name = path!.slice(-36, -4)
    expect(await rebuild(lost)).toMatchObject({ packs: 1, unreadablePacks: [name] })
    await expect(recoverAtStart(lost)).rejects.toMatchObject({
      message: expect.stringMatching(`${name}.*lists packs that must be moved away`) as string,
    })
    await rename(path!, join(store.directory, 'bad.zip'))
    expect(await recoverAtStart(lost)).toMatchObject({ unknownPacks: 0, freedBytes: 0 })
  })
})

describe('copies that share a member', () => {
  test('are found one by one, except a damaged one', async () => {
    const store = await openStore()
    const contents = Array.from({ length: 50 }, (_, index) => Buffer.from(`content ${index}`))
    const { name, sizeBytes } = await packOf(store, contents)
    const [path] = await packPaths(join(store.directory, 'cas'))
    const { copies } = await readCopies(store.packs, name, sizeBytes)
    await flipByte(path!, copies[7]!.offset + 3)
    const found = await recognizeAll(store.packs, name, copies)
    const expected = contents.map((content, at) => (at === 7 ? undefined : digestOf(content)))
    expect(found.map(([copy]) => copy?.blob.digest)).toEqual(expected)
  })

  test('are lost with the list of their member, and no others', async () => {
    const store = await openStore()
    const many = Array.from({ length: 1024 + 3 }, (_, index) => Buffer.from(`content ${index}`))
    const { name, sizeBytes } = await packOf(store, many)
    const [path] = await packPaths(join(store.directory, 'cas'))
    const list = (await readFile(path!)).indexOf('joined-000000000000000.txt')
    await flipByte(path!, list + 40)
    const { copies, isComplete } = await readCopies(store.packs, name, sizeBytes)
    expect(isComplete).toBe(false)
    const found = await recognizeAll(store.packs, name, copies)
    expect(found.map(([copy]) => copy?.blob.digest)).toEqual(many.slice(1024).map(digestOf))
  })

  test('are not mistaken for another form of a content, whatever a medium returns around their list', async () => {
    const store = await openStore()
    const content = Buffer.from('twice in the pack')
    const others = Array.from({ length: 100 }, (_, index) => Buffer.from(`content ${index}`))
    const { name, sizeBytes } = await packOf(store, [content, ...others], content)
    const [path] = await packPaths(join(store.directory, 'cas'))
    const list = (await readFile(path!)).indexOf('joined-000000000000000.txt') + 500
    const badSector: Pick<PackStore, 'read'> = {
      read: async (pack, offset, lengthBytes) => {
        if (offset <= list && list < offset + lengthBytes)
          throw storeError('blob_damaged', 'bad sector', { digest: null, paths: [] })
        return await store.packs.read(pack, offset, lengthBytes)
      },
    }
    await flipByte(path!, list)
    for (const packs of [store.packs, badSector]) {
      const { copies, isComplete } = await readCopies(packs, name, sizeBytes)
      expect(isComplete).toBe(false)
      const found = await recognizeAll(packs, name, copies)
      expect(found.map(([copy]) => copy?.codec)).toEqual(['stored'])
      expect(found[0]?.[0]?.blob.digest).toBe(digestOf(content))
    }
  })

  // Goal: no pack fills the heap of the thread that imports it. Method: one that no server writes.
  test.each(['intact', 'damaged'])(
    'are none if there are too many for a pack: %s',
    async (state) => {
      const store = await openStore()
      const empties = Array.from({ length: 4 * 8192 + 1 }, () => Buffer.alloc(0))
      const { name, sizeBytes } = await packOf(store, empties)
      const [path] = await packPaths(join(store.directory, 'cas'))
      if (state === 'damaged') await flipByte(path!, sizeBytes - 1)
      expect(await readCopies(store.packs, name, sizeBytes)).toEqual({
        copies: [],
        isComplete: false,
      })
    },
  )

  async function packOf(
    store: TestStore,
    contents: Buffer[],
    stored?: Buffer,
  ): Promise<SealedPack> {
    const writer = await openPackWriter(store.packs)
    for (const content of contents) {
      const stream = encodeJoiningSync(content, 6)
      const member = {
        blobDigest: digestOf(content),
        codec: 'joining' as const,
        crc32: crc32(content),
        sizeBytes: content.length,
        lengthBytes: stream.length,
      }
      await writer.append(member, stream)
    }
    if (stored !== undefined) {
      const [sizeBytes, lengthBytes] = [stored.length, stored.length]
      const blobDigest = digestOf(stored)
      const crc = crc32(stored)
      await writer.append(
        { blobDigest, codec: 'stored', crc32: crc, sizeBytes, lengthBytes },
        stored,
      )
    }
    return await writer.seal()
  }
})

describe('the kind of a member', () => {
  test('is detected from its bytes: joining streams and foreign ones', async () => {
    const store = await openStore()
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 3000 }),
          fc.string({ maxLength: 3000 }).map((text) => Buffer.from(text)),
        ),
        fc.integer({ min: 0, max: 9 }),
        fc.constantFrom('joining' as const, 'deflate' as const, 'stored' as const),
        async (bytes, level, codec) => {
          const content = Buffer.from(bytes)
          const stream =
            codec === 'joining'
              ? encodeJoiningSync(content, level)
              : codec === 'deflate'
                ? deflateRawSync(content, { level })
                : content
          const blob = {
            digest: digestOf(content),
            sizeBytes: content.length,
            crc32: crc32(content),
          }
          const writer = await openPackWriter(store.packs)
          await writer.append(
            { blobDigest: blob.digest, codec, lengthBytes: stream.length, ...blob },
            stream,
          )
          const { name, sizeBytes } = await writer.seal()
          const { copies, isComplete } = await readCopies(store.packs, name, sizeBytes)
          expect(isComplete).toBe(true)
          const [readings] = await recognizeAll(store.packs, name, copies)
          const isEitherEmpty =
            (content.length === 0 && codec === 'joining') || stream.equals(joiningEnd)
          expect(readings).toHaveLength(isEitherEmpty ? 2 : 1)
          expect(readings!.find((reading) => reading.codec === codec)).toMatchObject({
            blob,
            streamDigest: digestOf(stream),
            lengthBytes: stream.length,
          })
        },
      ),
      { numRuns: turns(60) },
    )
  })
})
