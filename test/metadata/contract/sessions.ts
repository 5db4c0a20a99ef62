import { expect, test } from 'vitest'
import { digestOf } from '../../../src/core/bytes/digest.ts'
import { limits } from '../../../src/core/limits.ts'
import type { Store } from '../metadata-contract.ts'
import {
  addContents,
  copyOf,
  entriesOf,
  newArtifact,
  openSession,
  packOf,
  seedArtifact,
  seedRun,
  stageEntries,
} from '../seed.ts'
import { sweepBlobs } from '../sweep-all.ts'

export function sessionsContract(store: Store): void {
  test('a claim returns the known blobs and leaves out the rest', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    await addContents(store(), session, ['one', 'two'])
    const digests = ['one', 'three', 'two'].map((content) => digestOf(content))
    const known = await store().claimBlobs(session, digests)
    expect(known.toSorted((a, b) => a.sizeBytes - b.sizeBytes)).toHaveLength(2)
    expect(known).toContainEqual({ ...copyOf('one').blob, joins: true })
    expect(known).toContainEqual({ ...copyOf('two').blob, joins: true })
    expect(await store().claimBlobs(session, [])).toEqual([])
  })

  test('a claim of streams returns what they hold and how, and leaves out damaged ones', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    await addContents(store(), session, ['one'])
    const copy = copyOf('one', { codec: 'deflate', lengthBytes: 77 })
    const { pack, copies } = packOf([copy])
    await store().addPack(session, pack, copies)
    const wanted = [copy.streamDigest, digestOf('unknown')]
    const [known, ...rest] = await store().claimStreams(session, wanted)
    expect(rest).toEqual([])
    expect(known).toEqual({
      streamDigest: copy.streamDigest,
      streamId: expect.any(Number),
      blob: copy.blob,
      lengthBytes: 77,
      codec: 'deflate',
    })
    // The blob is still intact in its serving copy.
    const { streamId } = known!
    await store().markDamaged({ streamId, packName: pack.name, offset: copies[0]!.offset })
    expect(await store().claimStreams(session, wanted)).toEqual([])
    expect(await store().claimBlobs(session, [digestOf('one')])).toHaveLength(1)
  })

  test('a blob joins once it has a joining copy', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    const exact = packOf([copyOf('one', { codec: 'deflate' })])
    await store().addPack(session, exact.pack, exact.copies)
    const digest = digestOf('one')
    expect((await store().claimBlobs(session, [digest]))[0]?.joins).toBe(false)
    const joining = packOf([copyOf('one')])
    await store().addPack(session, joining.pack, joining.copies)
    expect((await store().claimBlobs(session, [digest]))[0]?.joins).toBe(true)
    const both = packOf([copyOf('two', { codec: 'deflate' }), copyOf('two')])
    await store().addPack(session, both.pack, both.copies)
    expect((await store().claimBlobs(session, [digestOf('two')]))[0]?.joins).toBe(true)
  })

  test('a thousand blobs can be claimed in one call', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    const contents = Array.from({ length: 1000 }, (_, index) => `content ${index}`)
    await addContents(store(), session, contents)
    const known = await store().claimBlobs(
      session,
      contents.map((content) => digestOf(content)),
    )
    expect(new Set(known.map((blob) => blob.digest)).size).toBe(1000)
  })

  test('a session that has ended, or never existed, cannot be used', async () => {
    const run = await seedRun(store())
    const aborted = await openSession(store(), run)
    await store().abortSession(aborted)
    for (const id of [aborted, 'never']) {
      const ended = { code: 'session_ended', details: { sessionId: id } }
      const { pack, copies } = packOf([copyOf('x')])
      const digest = digestOf('x')
      const parts = { digest, sizeBytes: 1, crc32: 0, parts: [digest] }
      const manifest = { treeDigest: digest, entryCount: 0, fileCount: 0, logicalBytes: 0 }
      const page = { page: 0, localOffset: 0, centralOffset: 0, bytes: Buffer.alloc(0) }
      await expect(store().claimBlobs(id, [digest])).rejects.toMatchObject(ended)
      await expect(store().claimStreams(id, [digest])).rejects.toMatchObject(ended)
      await expect(store().addPack(id, pack, copies)).rejects.toMatchObject(ended)
      await expect(store().addComposite(id, parts)).rejects.toMatchObject(ended)
      await expect(store().stageManifest(id, manifest)).rejects.toMatchObject(ended)
      await expect(store().stageTimes(id, 0, Buffer.alloc(1))).rejects.toMatchObject(ended)
      await expect(store().stageSkeletonPage(id, page, [])).rejects.toMatchObject(ended)
      await expect(store().renewSession(id, 1, 1)).rejects.toMatchObject(ended)
      expect(await store().hasPack(pack.name)).toBe(false)
    }
  })

  test('sessions past their lease are listed, oldest lease first; renewing moves them', async () => {
    const { projectId } = await seedRun(store())
    const open = (leaseMs: number): Promise<string> =>
      store().openSession({ projectId, now: 1_000, leaseMs })
    const [late, early, middle] = [await open(300), await open(100), await open(200)]
    expect(await store().listSessions(1_099, 10)).toEqual([])
    expect(await store().listSessions(1_200, 10)).toEqual([early, middle])
    expect(await store().listSessions(Infinity, 2)).toEqual([early, middle])
    await store().renewSession(early, 1_100, 900)
    expect(await store().listSessions(1_999, 10)).toEqual([middle, late])
    // A lease shorter than the current one changes nothing.
    await store().renewSession(early, 1_100, 1)
    expect(await store().listSessions(1_999, 10)).toEqual([middle, late])
  })

  test('committed and aborted sessions are not listed', async () => {
    const run = await seedRun(store())
    await seedArtifact(store(), run, { a: 'x' })
    await store().abortSession(await openSession(store(), run))
    expect(await store().listSessions(Infinity, 10)).toEqual([])
  })

  test('aborting an unknown or ended session is a no-op', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    await store().abortSession(session)
    await store().abortSession(session)
    await store().abortSession('never')
    expect(await store().listSessions(Infinity, 10)).toEqual([])
  })

  test('a session that ends gives up all that it leased, staged and was offered, and nothing of another', async () => {
    const run = await seedRun(store())
    const base = await seedArtifact(store(), run, { a: 'base' }, { name: 'base' })
    const fill = async (content: string) => {
      const session = await openSession(store(), run)
      const { pack, copies } = packOf([copyOf(`${content} named`, { codec: 'deflate' })])
      await store().addPack(session, pack, copies)
      const [stream] = await store().claimStreams(session, [copies[0]!.streamDigest])
      const page = { page: 0, localOffset: 0, centralOffset: 0, bytes: Buffer.from('p') }
      await store().stageSkeletonPage(session, page, [stream!.streamId])
      const baseId = await store().leaseKnownTree(session, base.treeDigest, 2_000)
      await store().stageOffered(session, 'entries', 0, Buffer.from(content))
      await addContents(store(), session, [content])
      const { manifestId } = await stageEntries(store(), session, entriesOf({ a: content }))
      return { session, baseId: baseId!, manifestId }
    }
    const kept = await fill('kept')
    const ended = await fill('ended')
    const removal = { state: 'deleted', reason: 'test', now: 2_500 } as const
    expect(await store().removeArtifacts([base.id], removal)).toEqual([base.id])
    await store().abortSession(ended.session)
    expect(await sweepBlobs(store())).toBe(2)

    const offered = await store().readOffered(kept.session, 'entries', 0)
    expect(Buffer.from(offered!).toString()).toBe('kept')
    expect(await store().readLeasedPage(kept.session, kept.baseId, 0)).toBeDefined()
    const wanted = newArtifact(run, kept.manifestId, { kind: 'exact', name: 'kept' })
    await store().commitArtifact(kept.session, wanted)
    // Now nobody holds the tree that both had leased.
    expect(await sweepBlobs(store())).toBe(1)
  })

  test('session ids cannot be guessed', async () => {
    const { projectId } = await seedRun(store())
    const lease = { projectId, now: 1, leaseMs: limits.leaseMs }
    const ids = [await store().openSession(lease), await store().openSession(lease)]
    expect(ids[0]).toMatch(/^[0-9a-f]{32}$/)
    expect(ids[0]).not.toBe(ids[1])
  })
}
