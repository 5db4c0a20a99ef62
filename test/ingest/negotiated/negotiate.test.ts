/** The server's side of a negotiated upload: what it trusts (only bytes), and to whom it answers
 *  "present" (only to those who can read it, invariant 10). */
import { rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync, deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import {
  decodeOrdinals,
  encodeBlobRecordHead,
  fileEndRecord,
} from '../../../src/core/bytes/blob-exchange.ts'
import { type Digest, digestOf } from '../../../src/core/bytes/digest.ts'
import { limits } from '../../../src/core/limits.ts'
import { formatEntry, manifestHeader } from '../../../src/core/manifest/manifest.ts'
import { parseEntryPath } from '../../../src/core/manifest/entry.ts'
import { encodeTimes } from '../../../src/core/manifest/modification-times.ts'
import { createByteWriter } from '../../../src/core/bytes/varint.ts'
import { encodeJoiningSync } from '../../../src/packs/codec/codec.ts'
import { pseudoRandom } from '../../client/tree.ts'
import { packPaths, spoil } from '../../lifecycle/stored-bytes.ts'
import { findBlob } from '../../metadata/find-blob.ts'
import { sweepBlobs } from '../../metadata/sweep-all.ts'
import { haltingStream } from '../../packs/halting-stream.ts'
import { openStore, type TestStore } from '../open-store.ts'
import {
  compositeOf,
  encoded,
  type Files,
  manifestOf,
  openSession,
  record,
  type Session,
} from './open-session.ts'

const small = Buffer.from('small content')
const malformed = { code: 'invalid_request' }
const partA = Buffer.alloc(200_000, 'part a ')
const partB = Buffer.alloc(200_000, 'part b ')

const findBlobIn = async ({ directory }: TestStore, digest: Digest): ReturnType<typeof findBlob> =>
  await findBlob(join(directory, 'trove.db'), digest)

/** Opens a session of `mine/app` in a new store. */
async function openOnlySession(): Promise<{ store: TestStore; session: Session }> {
  const store = await openStore()
  return { store, session: await openSession(store, 'mine/app') }
}

/** Returns a store where project `mine/app` has a small file and a large one of two parts. */
async function storeWithSecrets(): Promise<{ store: TestStore; files: Files }> {
  const store = await openStore()
  const owner = await openSession(store, 'mine/app')
  const files = { large: Buffer.concat([partA, partB]), small }
  expect(await owner.offer(files)).toEqual([0, 1])
  const composite = compositeOf([partA, partB])
  expect(decodeOrdinals(await owner.step({ step: 'parts' }, encoded(composite)))).toEqual([0, 1])
  const body = [record(small), record(partA, 'firstPart'), record(partB), fileEndRecord]
  expect(await owner.step({ step: 'blobs' }, Buffer.concat(body))).toMatchObject({ blobs: 3 })
  expect(await owner.commit(files)).toMatchObject({ created: true })
  return { store, files }
}

describe('possession', () => {
  test('a digest that only another project has is missing, and cannot be committed', async () => {
    const { store, files } = await storeWithSecrets()
    const thief = await openSession(store, 'other/app')
    expect(await thief.offer(files)).toEqual([0, 1])
    await expect(thief.commit(files)).rejects.toMatchObject({ code: 'upload_incomplete' })
    const { treeDigest } = manifestOf(files)
    const session = await store.metadata.findSession(thief.id)
    expect(
      await store.metadata.findKnownTree(session!.projectId, treeDigest, store.ports.now()),
    ).toBeUndefined()
  })

  test('neither whole files nor parts can be stolen by naming parts', async () => {
    const { store, files } = await storeWithSecrets()
    const thief = await openSession(store, 'other/app')
    const wanted = { large: files['large']! }
    await thief.offer(wanted)
    const missing = await thief.step({ step: 'parts' }, encoded(compositeOf([partA, partB])))
    expect(decodeOrdinals(missing)).toEqual([0, 1])
    await expect(thief.commit(wanted)).rejects.toMatchObject({ code: 'upload_incomplete' })
    // A composite of the thief's own, with a part that it does not have.
    const mine = Buffer.alloc(200_000, 'mine ')
    await thief.step({ step: 'blobs' }, record(mine))
    const mixed = compositeOf([mine, partA])
    expect(decodeOrdinals(await thief.step({ step: 'parts' }, encoded(mixed)))).toEqual([1])
    const file = { mixed: Buffer.concat([mine, partA]) }
    await thief.offer(file)
    await expect(thief.commit(file)).rejects.toMatchObject({ code: 'upload_incomplete' })
  })

  test('a project that sends the bytes may refer to them, and the store keeps one copy', async () => {
    const { store, files } = await storeWithSecrets()
    const before = await store.packBytes()
    const other = await openSession(store, 'other/app')
    await other.offer({ small })
    await other.step({ step: 'blobs' }, record(small))
    expect(await other.commit({ small })).toMatchObject({ created: true })
    expect(await store.packBytes()).toBe(before)
    expect(files['small']).toBe(small)
  })

  test('the owning project need not send its files again, nor their parts in other files', async () => {
    const { store, files } = await storeWithSecrets()
    const session = await openSession(store, 'mine/app')
    expect(await session.offer(files)).toEqual([])
    const turned = compositeOf([partB, partA])
    expect(decodeOrdinals(await session.step({ step: 'parts' }, encoded(turned)))).toEqual([])
    const file = { turned: Buffer.concat([partB, partA]) }
    expect(await session.offer(file)).toEqual([0])
    expect(await session.commit(file)).toMatchObject({ created: true, artifact: { newBytes: 0 } })
  })
})

describe('trust', () => {
  test('a blob is what its bytes are: sent in place of another, it leaves the other missing', async () => {
    const { store, session } = await openOnlySession()
    const good = Buffer.from('good')
    await session.offer({ good })
    await session.step({ step: 'blobs' }, record(Buffer.from('evil')))
    expect(await session.offer({ good })).toEqual([0])
    await expect(session.commit({ good })).rejects.toMatchObject({ code: 'upload_incomplete' })
    expect(await findBlobIn(store, digestOf('good'))).toBeUndefined()
  })

  test('bytes that do not inflate to the announced size are rejected, and earlier blobs are kept', async () => {
    const { session } = await openOnlySession()
    const bad = record(partA)
    bad[bad.length - 20]! ^= 0xff
    const body = Buffer.concat([record(small), bad])
    await expect(session.step({ step: 'blobs' }, body)).rejects.toMatchObject(malformed)
    expect(await session.offer({ small })).toEqual([])
  })

  test('content whose stream would corrupt what follows it is not kept for anybody', async () => {
    const store = await openStore()
    const session = await openSession(store, 'other/app')
    const content = Buffer.from('what others will send' + '\n'.repeat(8))
    const stream = haltingStream(content)
    const head = { kind: 'blob', sizeBytes: content.length, lengthBytes: stream.length } as const
    const body = Buffer.concat([encodeBlobRecordHead(head), stream])
    await expect(session.step({ step: 'blobs' }, body)).rejects.toMatchObject(malformed)
    expect(await findBlobIn(store, digestOf(content))).toBeUndefined()
  })

  test('an empty blob may not carry bytes, which nothing would check', async () => {
    const { session } = await openOnlySession()
    const stream = encodeJoiningSync(small, 6)
    const head = { kind: 'blob', sizeBytes: 0, lengthBytes: stream.length } as const
    const body = Buffer.concat([encodeBlobRecordHead(head), stream])
    await expect(session.step({ step: 'blobs' }, body)).rejects.toMatchObject(malformed)
    expect(await session.offer({ empty: Buffer.alloc(0) })).toEqual([0])
  })

  test('a blob longer than any chunk, or a stream too long for its blob, is not waited for', async () => {
    const { session } = await openOnlySession()
    for (const [sizeBytes, lengthBytes] of [
      [limits.coarseChunkMaxBytes + 1, 9],
      [9, 138],
    ] as const) {
      const body = encodeBlobRecordHead({ kind: 'blob', sizeBytes, lengthBytes })
      await expect(session.step({ step: 'blobs' }, body)).rejects.toMatchObject({
        message: expect.stringContaining('too large'),
      })
    }
  })

  test('a large file can end only after it has begun', async () => {
    const { session } = await openOnlySession()
    const whole = [record(partA, 'firstPart'), fileEndRecord]
    for (const body of [[fileEndRecord], [record(small), fileEndRecord], [...whole, fileEndRecord]])
      await expect(session.step({ step: 'blobs' }, Buffer.concat(body))).rejects.toMatchObject(
        malformed,
      )
    // What came before is kept; a file of one part is that part.
    expect(await session.offer({ small, partA })).toEqual([])
  })

  test('a large file whose parts do not match its digest is rejected, however it is sent', async () => {
    const { store, session } = await openOnlySession()
    const lie = compositeOf([partA, partB], { digest: digestOf('another file') })
    const body = [record(partA, 'firstPart'), record(partB), fileEndRecord]
    await session.step({ step: 'blobs' }, Buffer.concat(body))
    // The file has the digest of its bytes.
    expect(await findBlobIn(store, compositeOf([partA, partB]).digest)).toBeDefined()
    expect(await findBlobIn(store, lie.digest)).toBeUndefined()
    const entry = {
      kind: 'file',
      path: parseEntryPath('lie'),
      mode: 0o644,
      digest: lie.digest,
      sizeBytes: 400_000,
    } as const
    const text = manifestHeader + formatEntry(entry)
    await session.step(
      { step: 'manifest', treeDigest: digestOf(text), entryCount: 1, encoding: 'gzip' },
      gzipSync(text),
    )
    await session.step({ step: 'parts' }, encoded(lie))
    await expect(
      session.step({
        step: 'commit',
        tree: {
          treeDigest: digestOf(text),
          entryCount: 1,
          fileCount: 1,
          logicalBytes: entry.sizeBytes,
        },
        ...session.target,
      }),
    ).rejects.toMatchObject({ code: 'digest_mismatch' })
    expect(await findBlobIn(store, lie.digest)).toBeUndefined()
  })

  test('a large file may have an empty part, wherever it lies', async () => {
    const { session } = await openOnlySession()
    const empty = Buffer.alloc(0)
    const file = { large: Buffer.concat([partB, partA]) }
    await session.offer(file)
    await session.step({ step: 'parts' }, encoded(compositeOf([partB, partA, empty])))
    const body = [record(partB), record(empty), record(partA)]
    await session.step({ step: 'blobs' }, Buffer.concat(body))
    expect(await session.commit(file)).toMatchObject({ created: true })
  })

  test('a large file must have parts', async () => {
    const { session } = await openOnlySession()
    const empty = Buffer.alloc(0)
    await session.offer({ empty })
    await expect(session.step({ step: 'parts' }, encoded(compositeOf([])))).rejects.toMatchObject(
      malformed,
    )
    await session.step({ step: 'blobs' }, record(empty))
    expect(await session.commit({ empty })).toMatchObject({ created: true })
  })

  test('a manifest must match its digest, be in order, and be safe', async () => {
    const { session } = await openOnlySession()
    const line = (path: string): string => `f 644 5 ${digestOf('x')} ${path}\n`
    const send = async (lines: string[]): Promise<unknown> => {
      const text = manifestHeader + lines.join('')
      return await session.step(
        {
          step: 'manifest',
          treeDigest: digestOf(text),
          entryCount: lines.length,
          encoding: 'gzip',
        },
        gzipSync(text),
      )
    }
    await expect(send([line('../x')])).rejects.toMatchObject({ code: 'unsafe_path' })
    await expect(send([line('b'), line('a')])).rejects.toMatchObject({ code: 'duplicate_path' })
    await expect(send([line('a'), line('a-b'), line('a/b')])).rejects.toMatchObject({
      code: 'duplicate_path',
    })
    await expect(send([`f 0644 5 ${digestOf('x')} a\n`])).rejects.toMatchObject(malformed)
    const { text } = manifestOf({ small })
    const other = { step: 'manifest', treeDigest: digestOf('other'), entryCount: 1 } as const
    for (const [encoding, compress] of [
      ['gzip', gzipSync],
      ['br', brotliCompressSync],
    ] as const) {
      const offered = { ...other, encoding }
      const whole = compress(text)
      await expect(session.step(offered, whole)).rejects.toMatchObject({ code: 'digest_mismatch' })
      for (const broken of [Buffer.from('neither'), whole.subarray(0, -1), Buffer.alloc(0)]) {
        await expect(session.step(offered, broken), encoding).rejects.toMatchObject(malformed)
      }
      await expect(session.step(offered, compress(Buffer.from([0xff])))).rejects.toMatchObject(
        malformed,
      )
    }
  })

  test('times that inflate to more than they can be are rejected, and none of them is kept', async () => {
    const { store, session } = await openOnlySession()
    await session.offer({ small })
    const pages = createByteWriter()
    pages.sized(deflateRawSync(Buffer.alloc(64 * 1024 * 1024, 4)))
    await expect(
      session.step({ step: 'times', entryCount: 1 }, pages.bytes()),
    ).rejects.toMatchObject({ code: 'invalid_request' })
    await session.step({ step: 'blobs' }, record(small))
    const { artifact } = await session.commit({ small })
    expect(await store.metadata.readEntryPage(artifact.id, 0)).toMatchObject({ modifiedAt: [null] })
  })

  test.each([1, 512])('times of %i entries do not fit an upload of three', async (count) => {
    const { store, session } = await openOnlySession()
    const files = { a: small, b: small, c: small }
    const send = async (entryCount: number): Promise<void> => {
      const pages = createByteWriter()
      pages.sized(encodeTimes(Array.from({ length: entryCount }, (_, index) => index * 1_000_000)))
      await session.step({ step: 'times', entryCount }, pages.bytes())
    }
    await session.offer(files)
    await session.step({ step: 'blobs' }, record(small))
    await send(count)
    await expect(session.commit(files)).rejects.toMatchObject({
      code: 'upload_incomplete',
      details: { what: 'times' },
    })
    await send(3)
    const { artifact } = await session.commit(files)
    expect(await store.metadata.readEntryPage(artifact.id, 0)).toMatchObject({
      modifiedAt: [0, 1_000_000, 2_000_000],
    })
  })

  test('a request that ends within a record keeps the blobs that arrived completely', async () => {
    const { session } = await openOnlySession()
    const body = Buffer.concat([record(small), record(partA)]).subarray(0, -5)
    await expect(session.step({ step: 'blobs' }, body)).rejects.toMatchObject(malformed)
    expect(await session.offer({ small })).toEqual([])
    expect(await session.offer({ partA })).toEqual([0])
  })
})

describe('a commit', () => {
  /** More than one manifest page. */
  const many: Files = Object.fromEntries(
    Array.from({ length: 600 }, (_, index) => [`f${1000 + index}`, Buffer.from(`file ${index}`)]),
  )
  const contents = Object.values(many)

  test('that comes too early reports how much is missing, and leaves nothing behind', async () => {
    const { store, session } = await openOnlySession()
    for (const early of [session.commit(many), session.step({ step: 'missing' })]) {
      await expect(early).rejects.toMatchObject({
        code: 'upload_incomplete',
        details: { what: 'manifest' },
      })
    }
    expect(await session.offer(many)).toHaveLength(600)
    await session.step(
      { step: 'blobs' },
      Buffer.concat(contents.slice(0, 597).map((each) => record(each))),
    )
    for (let tries = 0; tries < 2; tries++) {
      await expect(session.commit(many)).rejects.toMatchObject({
        code: 'upload_incomplete',
        details: { what: 'blobs', missing: 3 },
      })
    }
    await session.step(
      { step: 'blobs' },
      Buffer.concat(contents.slice(597).map((each) => record(each))),
    )
    const { artifact } = await session.commit(many)
    expect(artifact).toMatchObject({ fileCount: 600 })
    const uniqueBytes = Buffer.concat(contents).length
    await sweepBlobs(store.metadata)
    expect(await store.metadata.figures()).toMatchObject({ uniqueBytes, logicalBytes: uniqueBytes })
    expect(await store.metadata.projectFigures(artifact.projectId)).toMatchObject({ uniqueBytes })
  })

  test('uses what another upload of the project has brought meanwhile', async () => {
    const store = await openStore()
    const [first, second] = [
      await openSession(store, 'mine/app'),
      await openSession(store, 'mine/app'),
    ]
    expect(await first.offer({ one: small, two: partA })).toEqual([0, 1])
    expect(await second.offer({ other: small })).toEqual([0])
    await second.step({ step: 'blobs' }, record(small))
    await second.commit({ other: small })
    await first.step({ step: 'blobs' }, record(partA))
    expect(await first.commit({ one: small, two: partA })).toMatchObject({ created: true })
  })

  describe('of a large file with damage in its parts that nobody has noticed yet', () => {
    const parts = Array.from({ length: 5 }, (_, index) => pseudoRandom(120_000, `part ${index}`))
    const before = { large: Buffer.concat(parts) }
    const turned = parts.toReversed()
    const after = { large: Buffer.concat(turned) }

    test.each([
      ['changed bytes', [0, 4]],
      ['a truncated pack', [3, 4]],
      ['a missing pack', [0, 1, 2, 3, 4]],
    ])('reports how many are missing, and accepts them again: %s', async (damage, bad) => {
      const store = await openStore()
      const cas = join(store.directory, 'cas')
      const first = await openSession(store, 'mine/app')
      await first.offer(before)
      const sent = [record(parts[0]!, 'firstPart'), ...parts.slice(1).map((each) => record(each))]
      await first.step({ step: 'blobs' }, Buffer.concat([...sent, fileEndRecord]))
      const { artifact } = await first.commit(before)
      const [pack] = await packPaths(cas)
      if (damage === 'changed bytes')
        for (const index of bad) await spoil(cas, parts[index]!.subarray(1000, 2000))
      else if (damage === 'a truncated pack') await truncate(pack!, 450_000)
      else await rm(pack!)

      const session = await openSession(store, 'mine/app')
      const composite = encoded(compositeOf(turned))
      expect(await session.offer(after)).toEqual([0])
      expect(decodeOrdinals(await session.step({ step: 'parts' }, composite))).toEqual([])
      await expect(session.commit(after)).rejects.toMatchObject({
        code: 'upload_incomplete',
        details: { what: 'blobs', missing: bad.length },
      })
      const missing = decodeOrdinals(await session.step({ step: 'parts' }, composite))
      expect(missing).toEqual(bad.map((index) => 4 - index).toReversed())
      const again = missing.map((ordinal) => record(turned[ordinal]!))
      await session.step({ step: 'blobs' }, Buffer.concat(again))
      expect(await session.commit(after)).toMatchObject({ created: true })
      expect(await store.metadata.findArtifact(artifact.id)).toMatchObject({ state: 'available' })
    })
  })

  test('of a manifest that was replaced by another one is rejected', async () => {
    const { store, session } = await openOnlySession()
    await session.offer({ small })
    await session.step({ step: 'blobs' }, record(small))
    const { text, entryCount } = manifestOf({ evil: small })
    const { treeDigest } = manifestOf({ small })
    await expect(
      session.step({ step: 'manifest', treeDigest, entryCount, encoding: 'gzip' }, gzipSync(text)),
    ).rejects.toMatchObject({ code: 'digest_mismatch' })
    await expect(session.commit({ small })).rejects.toMatchObject({
      code: 'upload_incomplete',
      details: { what: 'manifest' },
    })
    // As if two clients of one upload sent at once: a page of one with the summary of the other.
    const page = deflateRawSync(text.slice(manifestHeader.length))
    await session.offer({ small })
    await store.metadata.stageOffered(session.id, 'entries', 0, page)
    await expect(session.commit({ small })).rejects.toMatchObject({ code: 'upload_incomplete' })
    await session.offer({ small })
    expect(await session.commit({ small })).toMatchObject({ created: true })
  })

  test('of a file whose length differs from the announced one is rejected', async () => {
    const { session } = await openOnlySession()
    const digest = digestOf(small)
    const text = `${manifestHeader}f 644 ${small.length + 1} ${digest} small\n`
    const treeDigest = digestOf(text)
    const offer = async (): Promise<unknown> => {
      const job = { step: 'manifest', treeDigest, entryCount: 1, encoding: 'gzip' } as const
      return await session.step(job, gzipSync(text))
    }
    await offer()
    await session.step({ step: 'blobs' }, record(small))
    // Once the content is known, already when it is offered.
    await expect(offer()).rejects.toThrow(`small was announced with ${small.length + 1} bytes`)
    const tree = { treeDigest, entryCount: 1, fileCount: 1, logicalBytes: small.length + 1 }
    await expect(session.step({ step: 'commit', tree, ...session.target })).rejects.toMatchObject({
      code: 'length_mismatch',
    })
  })
})

test('a session that is offered again is found again, and recovery leaves it alone', async () => {
  const store = await openStore()
  const of = {
    projectId: store.run.projectId,
    offer: digestOf('same'),
    now: Date.now(),
    leaseMs: 1000,
  }
  const { sessionId } = await store.metadata.openOfferSession(of)
  expect(await store.metadata.openOfferSession(of)).toEqual({ sessionId, resumed: true })
  expect(await store.metadata.listSessions(Number.POSITIVE_INFINITY, 10)).toEqual([])
  const later = { ...of, now: of.now + 2000 }
  expect(await store.metadata.listSessions(later.now, 10)).toEqual([])
  expect((await store.metadata.openOfferSession(later)).resumed).toBe(false)
})

// Other jobs of the thread need several turns each, which a fast sender must not make long.
test('other work gets a turn after every 128 blobs at the latest', async () => {
  const store = await openStore()
  let turns = 0
  let turnsBeforeBatch: number | undefined
  store.ports.metadata = {
    ...store.metadata,
    claimBlobs: async (...batch) => {
      turnsBeforeBatch ??= turns
      return await store.metadata.claimBlobs(...batch)
    },
  }
  const session = await openSession(store, 'mine/app')
  const blobs = Array.from({ length: 900 }, (_, index) => record(Buffer.from(`blob ${index}`)))
  const count = (): void => {
    turns += 1
    if (turnsBeforeBatch === undefined) setImmediate(count)
  }
  setImmediate(count)
  await session.step({ step: 'blobs' }, Buffer.concat(blobs))
  expect(turnsBeforeBatch).toBeGreaterThanOrEqual(900 / 128 - 1)
})
