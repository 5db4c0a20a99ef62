import { expect, test } from 'vitest'
import { digestOf } from '../../../src/core/bytes/digest.ts'
import type { Artifact, Run } from '../../../src/metadata/metadata.ts'
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
import { claimPacks, releaseAll, sweepBlobs } from '../sweep-all.ts'

const empty = {
  artifacts: 0,
  damagedArtifacts: 0,
  files: 0,
  logicalBytes: 0,
  removedBytes: 0,
  uniqueBytes: 0,
  chunkBytes: 0,
  liveBytes: 0,
}

export function sweepContract(store: Store): void {
  const remove = async ({ id }: Artifact): Promise<void> => {
    const removal = { state: 'deleted', reason: 'test', now: 2_500 } as const
    expect(await store().removeArtifacts([id], removal)).toEqual([id])
  }
  /** More than one step handles. */
  const seedMany = async (run: Run): Promise<number[]> => {
    const ids: number[] = []
    for (let n = 0; n < 120; n++)
      ids.push((await seedArtifact(store(), run, { a: `${n}` }, { name: `n${n}` })).id)
    return ids
  }
  const isKnown = async (content: string): Promise<boolean> =>
    (await store.findBlob(digestOf(content))) !== undefined
  const abortAll = async (): Promise<void> => {
    for (const name of await store().listSessions(Infinity, 100)) await store().abortSession(name)
  }
  /** Commits an exact artifact of one file whose skeleton names this deflate stream of the file. */
  const commitExact = async (run: Run, level: number, name: string): Promise<Artifact> => {
    const session = await openSession(store(), run)
    const { pack, copies } = packOf([copyOf('one', { codec: 'deflate', level })])
    await store().addPack(session, pack, copies)
    const [stream] = await store().claimStreams(session, [copies[0]!.streamDigest])
    const { manifestId } = await stageEntries(store(), session, entriesOf({ a: 'one' }))
    const page = { page: 0, localOffset: 0, centralOffset: 0, bytes: Buffer.from('p') }
    await store().stageSkeletonPage(session, page, [stream!.streamId])
    const wanted = newArtifact(run, manifestId, { kind: 'exact', name })
    return (await store().commitArtifact(session, wanted)).artifact
  }

  test('blobs held only by a removed artifact are swept; those that others hold stay', async () => {
    const run = await seedRun(store())
    const gone = await seedArtifact(store(), run, { a: 'only', b: 'shared' }, { name: 'gone' })
    const kept = await seedArtifact(store(), run, { c: 'shared', d: 'other' }, { name: 'kept' })
    const session = await openSession(store(), run)
    expect(await sweepBlobs(store())).toBe(0)
    // Another upload of the tree that stays is in progress.
    await stageEntries(store(), session, entriesOf({ c: 'shared', d: 'other' }))
    await remove(gone)
    expect(await sweepBlobs(store())).toBe(1)
    expect(await isKnown('only')).toBe(false)
    expect(await isKnown('shared')).toBe(true)
    expect((await store().readEntryPage(kept.id, 0))?.entries).toHaveLength(2)
  })

  test('blobs of a shared manifest stay until its last artifact is removed', async () => {
    const run = await seedRun(store())
    const one = await seedArtifact(store(), run, { a: 'x' }, { name: 'one' })
    const two = await seedArtifact(store(), run, { a: 'x' }, { name: 'two' })
    await remove(one)
    expect(await sweepBlobs(store())).toBe(0)
    await remove(two)
    expect(await sweepBlobs(store())).toBe(1)
  })

  test('when everything is removed, every figure is zero and every pack is dead', async () => {
    const run = await seedRun(store())
    const parts = ['aa', 'b', 'ccc']
    const session = await openSession(store(), run)
    const pack = await addContents(store(), session, [...parts, 'small'])
    const { digest, sizeBytes, crc32 } = copyOf(parts.join('')).blob
    const composite = { digest, sizeBytes, crc32, parts: parts.map((part) => digestOf(part)) }
    await store().addComposite(session, composite)
    const entries = entriesOf({ big: parts.join(''), small: 'small', also: 'small' })
    const { manifestId } = await stageEntries(store(), session, entries)
    const wanted = newArtifact(run, manifestId)
    const { artifact } = await store().commitArtifact(session, wanted)
    expect(await sweepBlobs(store())).toBe(0)
    expect(await claimPacks(store())).toEqual([])

    await remove(artifact)
    // First the composite and the small file, then the parts that only the composite held.
    expect(await sweepBlobs(store())).toBe(5)
    expect(await store().figures()).toMatchObject({ ...empty, packs: 1 })
    expect(await claimPacks(store())).toEqual([pack])
    expect(await store().hasPack(pack!)).toBe(true)
    await store().removePackRow(pack!)
    await store().removePackRow(pack!)
    expect(await store().hasPack(pack!)).toBe(false)
    expect(await store().figures()).toEqual({ ...empty, packs: 0, storedBytes: 0 })
  })

  // Goal: a round can be stopped, and a server stops soon, however much was removed.
  test('the rows of expired and released artifacts are deleted in as few steps as asked for, and the next call continues', async () => {
    const run = await seedRun(store())
    for (const name of ['a', 'b', 'c']) {
      const files = Object.fromEntries(
        Array.from({ length: 120 }, (_, n) => [`${n}`, `${name} ${n}`]),
      )
      await seedArtifact(store(), run, files, { name, expiresAt: name === 'c' ? 9_000 : 2_400 })
    }
    expect(await store().expireArtifacts(2_500, 10)).toBe(2)
    let steps = 1
    while (await store().clearRemoved(1)) steps += 1
    // Each step deletes about fifty rows.
    expect(steps).toBeGreaterThan(4)
    expect(await sweepBlobs(store())).toBe(240)

    const [kept] = await store().findArtifacts({}, { limit: 1, offset: 0, sort: 'newest', now: 1 })
    const removal = { state: 'deleted', reason: 'test', now: 2_500, undoMs: 1_000 } as const
    await store().removeArtifacts([kept!.id], removal)
    const page = { after: { at: -1, id: 0 }, limit: 1 }
    const first = await store().releaseRemoved(3_500, 3_500, page)
    expect(first).toEqual({ released: 1, waiting: [], last: { at: 3_500, id: kept!.id } })
    const second = await store().releaseRemoved(3_500, 3_500, { ...page, after: first.last! })
    expect(second).toEqual({ released: 0, waiting: [], last: null })
    expect(await store().clearRemoved(1)).toBe(true)
    expect(await sweepBlobs(store())).toBe(120)
  })

  test('removing many artifacts removes those that are live', async () => {
    const run = await seedRun(store())
    const ids = await seedMany(run)
    const removal = { state: 'deleted', reason: 'test', now: 2_500, undoMs: 1_000 } as const
    await store().removeArtifacts([ids[3]!], removal)
    const asked = [...ids, ids[5]!, 9_999]
    expect(await store().removeArtifacts(asked, removal)).toEqual(ids.filter((id) => id !== ids[3]))
    expect(await store().figures()).toMatchObject({ artifacts: 0 })
    await store().restoreArtifact(ids[119]!, 3_000)
    expect(await sweepBlobs(store())).toBe(0)
    await releaseAll(store(), 9_000)
    expect(await sweepBlobs(store(), 9_000)).toBe(119)
  })

  test('restoring many artifacts restores those that can be', async () => {
    const run = await seedRun(store())
    const ids = await seedMany(run)
    const removal = { state: 'deleted', reason: 'test', now: 2_500, undoMs: 1_000 } as const
    await store().removeArtifacts([ids[7]!], { ...removal, undoMs: 100 })
    await store().removeArtifacts(ids.slice(0, 119), removal)
    const holder = await seedArtifact(store(), run, { a: 'again' }, { name: 'n3' })
    const asked = [...ids, ids[5]!, 9_999]
    // One was removed too long ago, one has lost its name, and one is live.
    const back = ids.filter((_, n) => n !== 3 && n !== 7 && n !== 119)
    expect(await store().restoreArtifacts(asked, 3_000)).toEqual(back)
    expect(await store().figures()).toMatchObject({ artifacts: back.length + 2 })
    expect(await store().findArtifact(holder.id)).toMatchObject({ removedAt: null })
    await releaseAll(store(), 9_000)
    expect(await sweepBlobs(store(), 9_000)).toBe(2)
  })

  test('a claim for deletion can be repeated until the removal', async () => {
    const artifact = await seedArtifact(store(), await seedRun(store()), { a: 'x', b: 'y' })
    await remove(artifact)
    const claimed = await store().claimDeadBlobs(3_000, 10)
    expect(claimed).toHaveLength(2)
    expect(await store().claimDeadBlobs(3_000, 1)).toEqual(claimed.slice(0, 1))
    expect(await store().claimDeadBlobs(3_000, 10)).toEqual(claimed)
    await store().removeDeadBlobs(claimed)
    await store().removeDeadBlobs(claimed)
    expect(await store().claimDeadBlobs(3_000, 10)).toEqual([])
  })

  test('blobs that a live session added or claimed stay until the session ends', async () => {
    const run = await seedRun(store())
    const artifact = await seedArtifact(store(), run, { a: 'claimed', b: 'by stream' })
    const session = await openSession(store(), run)
    await addContents(store(), session, ['brought'])
    expect(await store().claimBlobs(session, [digestOf('claimed')])).toHaveLength(1)
    const { streamDigest } = copyOf('by stream')
    expect(await store().claimStreams(session, [streamDigest])).toHaveLength(1)
    await remove(artifact)
    expect(await sweepBlobs(store())).toBe(0)
    expect([await isKnown('brought'), await isKnown('claimed')]).toEqual([true, true])
    await store().abortSession(session)
    expect(await sweepBlobs(store())).toBe(3)
  })

  test('one of two sessions that claim the same blob is enough to keep it', async () => {
    const run = await seedRun(store())
    const [one, two] = [await openSession(store(), run), await openSession(store(), run)]
    await addContents(store(), one, ['x'])
    await store().claimBlobs(two, [digestOf('x')])
    await store().abortSession(one)
    expect(await sweepBlobs(store())).toBe(0)
    await store().abortSession(two)
    expect(await sweepBlobs(store())).toBe(1)
  })

  test('a session past its lease holds nothing, whoever else uploads, and cannot bring back swept blobs', async () => {
    const run = await seedRun(store())
    const session = await store().openSession({
      projectId: run.projectId,
      now: 1_000,
      leaseMs: 100,
    })
    await addContents(store(), await openSession(store(), run), ['y'])
    await addContents(store(), session, ['x'])
    const artifact = await seedArtifact(store(), run, { a: 'x' })
    await remove(artifact)
    expect(await sweepBlobs(store(), 1_099)).toBe(0)
    // Losing the other reference makes it a candidate again.
    await remove(await seedArtifact(store(), run, { a: 'x' }))
    expect(await sweepBlobs(store(), 1_100)).toBe(1)
    const staged = stageEntries(store(), session, entriesOf({ a: 'x' }))
    await expect(staged).rejects.toMatchObject({ code: 'not_found' })
    await store().abortSession(session)
  })

  test('blobs of a staged manifest stay, and those of the removed artifact that it does not refer to are swept', async () => {
    const run = await seedRun(store())
    const artifact = await seedArtifact(store(), run, { a: 'x', b: 'y' })
    const session = await openSession(store(), run)
    await addContents(store(), session, ['x'])
    const { manifestId } = await stageEntries(store(), session, entriesOf({ a: 'x' }))
    await remove(artifact)
    expect(await sweepBlobs(store())).toBe(1)
    await store().commitArtifact(session, newArtifact(run, manifestId))
    expect(await isKnown('x')).toBe(true)
  })

  test('a stream that a skeleton names stays, though another one serves the blob', async () => {
    const run = await seedRun(store())
    const first = await commitExact(run, 1, 'first')
    const second = await commitExact(run, 9, 'second')
    const unnamed = await seedArtifact(store(), run, { a: 'unnamed' }, { name: 'unnamed' })
    const { streamDigest } = copyOf('one', { codec: 'deflate', level: 9 })
    await remove(first)
    expect(await sweepBlobs(store())).toBe(0)
    await remove(unnamed)
    expect(await sweepBlobs(store())).toBe(1)
    const session = await openSession(store(), run)
    expect(await store().claimStreams(session, [streamDigest])).toHaveLength(1)
    await store().abortSession(session)
    await remove(second)
    expect(await sweepBlobs(store())).toBe(1)
    expect(await claimPacks(store())).toHaveLength(3)
  })

  test('a stream that only a skeleton holds stays together with its blob, which no manifest refers to', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    await addContents(store(), session, ['file', 'data of a directory'])
    const { streamDigest } = copyOf('data of a directory')
    const [stream] = await store().claimStreams(session, [streamDigest])
    const { manifestId } = await stageEntries(store(), session, entriesOf({ a: 'file' }))
    const page = { page: 0, localOffset: 0, centralOffset: 0, bytes: Buffer.from('p') }
    await store().stageSkeletonPage(session, page, [stream!.streamId])
    const wanted = newArtifact(run, manifestId, { kind: 'exact' })
    const { artifact } = await store().commitArtifact(session, wanted)
    expect(await sweepBlobs(store())).toBe(0)
    expect(await store().readStreams([stream!.streamId])).toHaveLength(1)
    await remove(artifact)
    expect(await sweepBlobs(store())).toBe(2)
  })

  test('a stream that an aborted upload added to a part in use is removed, and no other', async () => {
    const run = await seedRun(store())
    const first = await openSession(store(), run)
    await addContents(store(), first, ['one', 'two'])
    const { digest, sizeBytes, crc32 } = copyOf('onetwo').blob
    const parts = [digestOf('one'), digestOf('two')]
    await store().addComposite(first, { digest, sizeBytes, crc32, parts })
    const entries = entriesOf({ both: 'onetwo', one: 'one' })
    const { manifestId } = await stageEntries(store(), first, entries)
    await store().commitArtifact(first, newArtifact(run, manifestId, { name: 'both' }))
    const { liveBytes } = await store().figures()
    const session = await openSession(store(), run)
    const { pack, copies } = packOf([copyOf('one', { codec: 'deflate' })])
    await store().addPack(session, pack, copies)
    const withStream = (await store().figures()).liveBytes
    expect(withStream).toBeGreaterThan(liveBytes)
    // The other part is judged while the session leases this one.
    await remove(await seedArtifact(store(), run, { two: 'two' }, { name: 'two' }))
    expect(await sweepBlobs(store())).toBe(0)
    expect((await store().figures()).liveBytes).toBe(withStream)
    await store().abortSession(session)
    expect(await sweepBlobs(store())).toBe(0)
    expect((await store().figures()).liveBytes).toBe(liveBytes)
    expect(await claimPacks(store())).toEqual([pack.name])
    const blob = await store.findBlob(digest)
    expect(await store().readParts(blob!.blobId, 0, 10)).toHaveLength(2)
  })

  test('a stream that the skeleton of an aborted upload named is removed', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const { pack, copies } = packOf([copyOf('one', { codec: 'deflate' })])
    await store().addPack(session, pack, copies)
    const [stream] = await store().claimStreams(session, [copies[0]!.streamDigest])
    const page = { page: 0, localOffset: 0, centralOffset: 0, bytes: Buffer.from('p') }
    await store().stageSkeletonPage(session, page, [stream!.streamId])
    await store().abortSession(session)
    expect(await sweepBlobs(store())).toBe(1)
    expect(await claimPacks(store())).toEqual([pack.name])
  })

  test('a stream that no skeleton names any more is removed, though its blob stays', async () => {
    const run = await seedRun(store())
    await commitExact(run, 1, 'first')
    const second = await commitExact(run, 9, 'second')
    const { liveBytes } = await store().figures()
    await remove(second)
    expect(await sweepBlobs(store())).toBe(0)
    expect((await store().figures()).liveBytes).toBeLessThan(liveBytes)
    expect(await claimPacks(store())).toHaveLength(1)
    const session = await openSession(store(), run)
    const digests = [1, 9].map((level) => copyOf('one', { codec: 'deflate', level }).streamDigest)
    expect(await store().claimStreams(session, digests)).toHaveLength(1)
  })

  test('a joining copy stays while the blob is a part', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    const { pack, copies } = packOf([copyOf('one', { codec: 'deflate' }), copyOf('two')])
    await store().addPack(session, pack, copies)
    const joining = packOf([copyOf('one')])
    await store().addPack(session, joining.pack, joining.copies)
    const { digest, sizeBytes, crc32 } = copyOf('onetwo').blob
    const parts = [digestOf('one'), digestOf('two')]
    await store().addComposite(session, { digest, sizeBytes, crc32, parts })
    const entries = entriesOf({ both: 'onetwo', one: 'one' })
    const { manifestId } = await stageEntries(store(), session, entries)
    const wanted = newArtifact(run, manifestId, { name: 'both' })
    const { artifact: both } = await store().commitArtifact(session, wanted)
    await seedArtifact(store(), run, { one: 'one' }, { name: 'one' })
    expect(await sweepBlobs(store())).toBe(0)
    const blob = await store.findBlob(digest)
    const read = await store().readParts(blob!.blobId, 0, 2)
    expect(read.map((part) => part.copy.packName)).toEqual([joining.pack.name, pack.name])

    await remove(both)
    // Swept: the composite, and the part that nothing else holds. The other part keeps only its
    // serving copy.
    expect(await sweepBlobs(store())).toBe(2)
    expect(await claimPacks(store())).toEqual([joining.pack.name])
    expect((await store.findBlob(digestOf('one')))?.copy?.codec).toBe('deflate')
  })

  test('a condemned blob cannot be claimed, and its content comes back with the next upload', async () => {
    const run = await seedRun(store())
    await remove(await seedArtifact(store(), run, { a: 'x' }))
    const [old] = await store().claimDeadBlobs(3_000, 10)
    const session = await openSession(store(), run)
    const { streamDigest } = copyOf('x')
    expect(await store().claimBlobs(session, [digestOf('x')])).toEqual([])
    expect(await store().claimStreams(session, [streamDigest])).toEqual([])
    expect(await store.findBlob(digestOf('x'))).toBeUndefined()

    await addContents(store(), session, ['x'])
    const { manifestId } = await stageEntries(store(), session, entriesOf({ a: 'x' }))
    await store().removeDeadBlobs([old!])
    const { artifact } = await store().commitArtifact(session, newArtifact(run, manifestId))
    const page = await store().readEntryPage(artifact.id, 0)
    expect(page?.entries[0]).toMatchObject({ blob: { copy: { damaged: false } } })
    expect(await sweepBlobs(store())).toBe(0)
    expect((await store().figures()).chunkBytes).toBe(1)
  })

  test('a condemned stream that is uploaded again beside another one is available to its skeleton', async () => {
    const run = await seedRun(store())
    await remove(await seedArtifact(store(), run, { a: 'one' }))
    const old = await store().claimDeadBlobs(3_000, 10)
    const session = await openSession(store(), run)
    const copies = [copyOf('one', { codec: 'deflate' }), copyOf('one')]
    for (const copy of copies) {
      const placed = packOf([copy])
      await store().addPack(session, placed.pack, placed.copies)
    }
    const digests = copies.map((copy) => copy.streamDigest)
    expect(await store().claimStreams(session, digests)).toHaveLength(2)
    expect((await store().claimBlobs(session, [digestOf('one')]))[0]?.joins).toBe(true)
    await store().removeDeadBlobs(old)
    expect(await store().claimStreams(session, digests)).toHaveLength(2)
    await store().abortSession(session)
    await sweepBlobs(store())
    expect(await store().figures()).toMatchObject({ chunkBytes: 0, liveBytes: 0 })
  })

  test('a condemned stream that is uploaded again beside others leaves it to them how the blob joins', async () => {
    const run = await seedRun(store())
    const first = await openSession(store(), run)
    const condemned = [copyOf('one', { codec: 'deflate' }), copyOf('two')]
    const once = packOf(condemned)
    await store().addPack(first, once.pack, once.copies)
    await store().abortSession(first)
    const old = await store().claimDeadBlobs(3_000, 10)
    const session = await openSession(store(), run)
    const others = packOf([
      copyOf('one', { codec: 'deflate', level: 9 }),
      copyOf('two', { level: 9 }),
    ])
    await store().addPack(session, others.pack, others.copies)
    const { digest, sizeBytes, crc32 } = copyOf('twotwo').blob
    const parts = [digestOf('two'), digestOf('two')]
    await store().addComposite(session, { digest, sizeBytes, crc32, parts })
    const again = packOf([...condemned, ...condemned])
    await store().addPack(session, again.pack, again.copies)
    await store().removeDeadBlobs(old)

    expect((await store().claimBlobs(session, [digestOf('one')]))[0]?.joins).toBe(false)
    const blob = await store.findBlob(digest)
    const [part] = await store().readParts(blob!.blobId, 0, 1)
    expect(part?.copy.packName).toBe(others.pack.name)
    expect(await store().reconcileRollups()).toEqual([])
  })

  test('a condemned composite can be uploaded again as a whole, too', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    await addContents(store(), session, ['a', 'b'])
    const { digest, sizeBytes, crc32 } = copyOf('ab').blob
    const composite = { digest, sizeBytes, crc32, parts: [digestOf('a'), digestOf('b')] }
    await store().addComposite(session, composite)
    await store().abortSession(session)
    const dead = await store().claimDeadBlobs(3_000, 10)

    const next = await openSession(store(), run)
    await addContents(store(), next, ['a', 'b'])
    await store().addComposite(next, composite)
    await store().removeDeadBlobs(dead)
    const blob = await store.findBlob(digest)
    expect(await store().readParts(blob!.blobId, 0, 10)).toHaveLength(2)
    await store().abortSession(next)
    await sweepBlobs(store())
    expect(await store().figures()).toMatchObject({ chunkBytes: 0, liveBytes: 0 })
  })

  test('many blobs are swept in batches of the requested size', async () => {
    const run = await seedRun(store())
    const files = Object.fromEntries(
      Array.from({ length: 2_300 }, (_, index) => [`f${index}`, `content ${index}`]),
    )
    await remove(await seedArtifact(store(), run, files))
    // A removal clears rows for some milliseconds only.
    while (await store().clearRemoved(100)) continue
    const first = await store().claimDeadBlobs(3_000, 700)
    expect(first).toHaveLength(700)
    await store().removeDeadBlobs(first)
    expect(await sweepBlobs(store())).toBe(1_600)
    expect(await store().figures()).toMatchObject(empty)
  })

  test('a pack of a live session is not dead, though it has no live copies', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    await addContents(store(), session, ['x'])
    const { pack, copies } = packOf([copyOf('x')])
    await store().addPack(session, pack, copies)
    expect(await claimPacks(store())).toEqual([])
    await abortAll()
    expect(await claimPacks(store())).toEqual([pack.name])
    await sweepBlobs(store())
    expect(await claimPacks(store())).toHaveLength(2)
  })

  test('a pack that is not dead keeps its row', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    const pack = await addContents(store(), session, ['x'])
    await store().removePackRow(pack!)
    expect(await store().hasPack(pack!)).toBe(true)
  })
}
