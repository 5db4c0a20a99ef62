import { expect, test } from 'vitest'
import type { Copy, NewCopy } from '../../../src/core/bytes/copy.ts'
import { digestOf } from '../../../src/core/bytes/digest.ts'
import type { Artifact, Metadata } from '../../../src/metadata/metadata.ts'
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
import { claimPacks, sweepBlobs } from '../sweep-all.ts'

/** Sends copies as an upload would after finding them missing; returns the pack's name. */
async function send(metadata: Metadata, copies: NewCopy[]): Promise<string> {
  const session = await openSession(metadata, await seedRun(metadata))
  const placed = packOf(copies)
  await metadata.addPack(session, placed.pack, placed.copies)
  await metadata.abortSession(session)
  return placed.pack.name
}

export function damageContract(store: Store): void {
  const copyIn = async (content: string): Promise<Copy> =>
    (await store.findBlob(digestOf(content)))!.copy!
  const stateOf = async ({ id }: Artifact): Promise<string | undefined> =>
    (await store().findArtifact(id))?.state
  const claims = async (content: string): Promise<number> => {
    const session = await openSession(store(), await seedRun(store()))
    const { streamDigest, blob } = copyOf(content)
    const known = await store().claimBlobs(session, [blob.digest])
    const streams = await store().claimStreams(session, [streamDigest])
    await store().abortSession(session)
    return known.length + streams.length
  }
  /** Commits an artifact with one composite file of these parts. */
  const commitComposite = async (parts: string[], name: string): Promise<Artifact> => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    await addContents(store(), session, parts)
    const { digest, sizeBytes, crc32 } = copyOf(parts.join('')).blob
    const digests = parts.map((part) => digestOf(part))
    await store().addComposite(session, { digest, sizeBytes, crc32, parts: digests })
    const entries = entriesOf({ big: parts.join('') })
    const { manifestId } = await stageEntries(store(), session, entries)
    const wanted = newArtifact(run, manifestId, { name })
    return (await store().commitArtifact(session, wanted)).artifact
  }

  test('damage affects every live artifact that holds the stream, and no other', async () => {
    const run = await seedRun(store())
    const one = await seedArtifact(store(), run, { a: 'x', b: 'y' }, { name: 'one' })
    const two = await seedArtifact(store(), run, { c: 'x' }, { name: 'two' })
    const other = await seedArtifact(store(), run, { b: 'y' }, { name: 'other' })
    const gone = await seedArtifact(store(), run, { d: 'x' }, { name: 'gone' })
    const removal = { state: 'deleted', reason: 'test', now: 2_500, undoMs: 9_000 } as const
    await store().removeArtifacts([gone.id], removal)
    await store().markDamaged(await copyIn('x'))
    expect([await stateOf(one), await stateOf(two)]).toEqual(['damaged', 'damaged'])
    expect([await stateOf(other), await stateOf(gone)]).toEqual(['available', 'deleted'])
    const page = await store().readEntryPage(one.id, 0)
    const damaged = page?.entries.map((entry) => entry.kind === 'file' && entry.blob.copy?.damaged)
    expect(damaged).toEqual([true, false])
    const query = { limit: 10, offset: 0, sort: 'oldest', now: 3_000 } as const
    const listed = await store().listArtifacts({ state: 'damaged' }, query)
    expect(listed.artifacts.map((artifact) => artifact.id)).toEqual([one.id, two.id])
    expect((await store().listArtifacts({}, query)).total).toBe(3)
    expect((await store().figures()).damagedArtifacts).toBe(2)
    await store().removeArtifacts([one.id], { state: 'deleted', reason: 'test', now: 3_000 })
    expect((await store().figures()).damagedArtifacts).toBe(1)
  })

  test('marking twice, or marking an unknown stream, is a no-op', async () => {
    const artifact = await seedArtifact(store(), await seedRun(store()), { a: 'x' })
    const copy = await copyIn('x')
    await store().markDamaged({ ...copy, streamId: 999 })
    expect(await stateOf(artifact)).toBe('available')
    for (let times = 0; times < 2; times++) {
      await store().markDamaged(copy)
      expect(await stateOf(artifact)).toBe('damaged')
    }
  })

  // A slow reader that looked the copy up gets to it after another found it bad and an upload
  // healed it.
  test('bad bytes at a place that the copy has left do not damage it', async () => {
    const artifact = await seedArtifact(store(), await seedRun(store()), { a: 'x', b: 'y' })
    const before = await copyIn('x')
    await store().markDamaged(before)
    await send(store(), [copyOf('y', { level: 9 }), copyOf('x')])
    const after = await copyIn('x')
    expect(after.streamId).toBe(before.streamId)
    for (const left of [
      before,
      { ...after, packName: before.packName },
      { ...after, offset: after.offset - 1 },
    ])
      await store().markDamaged(left)
    expect([await stateOf(artifact), await claims('x')]).toEqual(['available', 2])
    await store().markDamaged(after)
    expect(await stateOf(artifact)).toBe('damaged')
  })

  test('a damaged copy counts as missing and is not reported as present', async () => {
    const run = await seedRun(store())
    await seedArtifact(store(), run, { a: 'x' })
    expect(await claims('x')).toBe(2)
    await store().markDamaged(await copyIn('x'))
    expect(await claims('x')).toBe(0)
    // A new upload finds neither the tree nor the blob.
    const session = await openSession(store(), run)
    const staged = stageEntries(store(), session, entriesOf({ a: 'x' }))
    await expect(staged).rejects.toMatchObject({ code: 'not_found' })
  })

  test('uploading the same stream again heals every artifact that holds it, in its new place', async () => {
    const run = await seedRun(store())
    const one = await seedArtifact(store(), run, { a: 'x', b: 'y' }, { name: 'one' })
    const two = await seedArtifact(store(), run, { a: 'x' }, { name: 'two' })
    const [x, y] = [await copyIn('x'), await copyIn('y')]
    await store().markDamaged(x)
    await store().markDamaged(y)
    // Sent twice, as files that are equal can be.
    const pack = await send(store(), [copyOf('x'), copyOf('x')])
    expect([await stateOf(one), await stateOf(two)]).toEqual(['damaged', 'available'])
    await send(store(), [copyOf('y')])
    expect(await stateOf(one)).toBe('available')
    const healed = await store.findBlob(digestOf('x'))
    expect(healed?.copy).toMatchObject({ streamId: x.streamId, packName: pack, damaged: false })
    expect(await store().findArtifact(one.id)).toMatchObject({ version: 1 })
    expect(await claims('x')).toBe(2)
    // No live copy is left in the pack whose copies went bad.
    expect(await claimPacks(store())).toHaveLength(1)
    expect(await store().reconcileRollups()).toEqual([])
  })

  test('a copy that an upload heals while its damage is being processed is sound', async () => {
    const run = await seedRun(store())
    const artifact = await seedArtifact(store(), run, { a: 'content 0' })
    const session = await openSession(store(), run)
    const contents = Array.from({ length: 8_000 }, (_, index) => `content ${index}`)
    const { pack, copies } = packOf(contents.map((content) => copyOf(content)))
    const damaged = await copyIn('content 0')
    await Promise.all([store().markDamaged(damaged), store().addPack(session, pack, copies)])
    expect(await copyIn('content 0')).toMatchObject({ packName: pack.name, damaged: false })
    expect(await stateOf(artifact)).toBe('available')
    expect(await claims('content 0')).toBe(2)
  })

  test('damage to a part damages every composite over it, and healing the part heals them', async () => {
    const one = await commitComposite(['aa', 'b'], 'one')
    const two = await commitComposite(['b', 'c'], 'two')
    const other = await commitComposite(['aa', 'c'], 'other')
    await store().markDamaged(await copyIn('b'))
    expect([await stateOf(one), await stateOf(two)]).toEqual(['damaged', 'damaged'])
    expect(await stateOf(other)).toBe('available')
    expect(await claims('aab')).toBe(0)
    const blob = await store.findBlob(digestOf('aab'))
    const read = await store().readParts(blob!.blobId, 0, 2)
    expect(read.map((part) => part.copy.damaged)).toEqual([false, true])
    await send(store(), [copyOf('b')])
    expect([await stateOf(one), await stateOf(two)]).toEqual(['available', 'available'])
    expect(await claims('aab')).toBe(1)
  })

  test('a file whose copy turned bad after it was sent cannot be staged until it is sent again', async () => {
    const session = await openSession(store(), await seedRun(store()))
    await addContents(store(), session, ['x'])
    await store().markDamaged(await copyIn('x'))
    const entries = entriesOf({ a: 'x' })
    const refused = stageEntries(store(), session, entries)
    await expect(refused).rejects.toMatchObject({ code: 'not_found' })
    await addContents(store(), session, ['x'])
    await stageEntries(store(), session, entries)
  })

  test('damage found between staging and commit damages the artifact', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    await addContents(store(), session, ['x', 'y'])
    const entries = entriesOf({ a: 'x', b: 'y' })
    const { manifestId } = await stageEntries(store(), session, entries)
    await store().markDamaged(await copyIn('x'))
    const { artifact } = await store().commitArtifact(session, newArtifact(run, manifestId))
    expect(artifact.state).toBe('damaged')
    // The same tree does not count as known, so an upload of it sends what is missing.
    const { treeDigest } = artifact
    expect(await store().findKnownTree(run.projectId, treeDigest, 2_000)).toBeUndefined()
    await send(store(), [copyOf('x')])
    expect(await stateOf(artifact)).toBe('available')
  })

  test('a blob that waits for an upload in progress does not hide others that can be healed', async () => {
    const run = await seedRun(store())
    await seedArtifact(store(), run, { a: 'waiting', b: 'ready' }, { name: 'one' })
    const session = await openSession(store(), run)
    await addContents(store(), session, ['waiting'])
    await stageEntries(store(), session, entriesOf({ c: 'waiting' }))
    for (const content of ['waiting', 'ready']) {
      await store().markDamaged(await copyIn(content))
      await send(store(), [copyOf(content, { level: 1 })])
    }
    const blobsToHeal = async (limit: number): Promise<number[]> =>
      (await store().listHealings({ limit })).healings.map(({ blobId }) => blobId)
    const { blobId: waiting } = (await store.findBlob(digestOf('waiting')))!
    const { blobId: ready } = (await store.findBlob(digestOf('ready')))!
    expect(await blobsToHeal(1)).toEqual([ready])
    expect(await blobsToHeal(10)).toEqual([ready])
    await store().abortSession(session)
    expect(await blobsToHeal(1)).toEqual([waiting])
    expect(await blobsToHeal(10)).toEqual([waiting, ready])
  })

  test('a pack names the blobs that were damaged, and only those are listed when asked for', async () => {
    const run = await seedRun(store())
    await seedArtifact(store(), run, { a: 'first', b: 'second' }, { name: 'one' })
    const session = await openSession(store(), run)
    const named: number[][] = []
    for (const content of ['first', 'second']) {
      await store().markDamaged(await copyIn(content))
      const { pack, copies } = packOf([copyOf(content, { level: 1 }), copyOf(`new ${content}`)])
      named.push(await store().addPack(session, pack, copies))
    }
    expect((await store().listHealings({ limit: 10 })).healings).toHaveLength(2)
    const page = await store().listHealings({ limit: 1 })
    const rest = await store().listHealings({ limit: 10, after: page.next })
    expect([page.healings.length, rest.healings.length]).toEqual([1, 1])
    expect(rest.next).toBeNull()
    expect(rest.healings).not.toEqual(page.healings)
    const { blobId } = (await store.findBlob(digestOf('second')))!
    expect(named[1]).toEqual([blobId])
    const listed = await store().listHealings({ limit: 10, blobIds: named[1] })
    expect(listed.healings).toMatchObject([{ blobId, replacesCopy: true, replacesJoining: true }])
  })

  test.each([
    { was: 'one stream', cut: ['abc'], swept: 0 },
    { was: 'other parts', cut: ['a', 'bc'], swept: 2 },
  ])('a damaged file of $was takes the parts with which it arrives', async ({ cut, swept }) => {
    const run = await seedRun(store())
    const artifact =
      cut.length === 1
        ? await seedArtifact(store(), run, { a: 'abc' })
        : await commitComposite(cut, 'dist')
    const other = await commitComposite(['d', 'e'], 'other')
    // Nothing waits for sweep any more.
    expect(await sweepBlobs(store())).toBe(0)
    await store().markDamaged(await copyIn(cut.at(-1)!))
    const { blobId } = (await store.findBlob(digestOf('abc')))!
    const session = await openSession(store(), run)
    const { pack, copies } = packOf([copyOf('ab'), copyOf('c')])
    await store().addPack(session, pack, copies)
    const { digest, sizeBytes, crc32 } = copyOf('abc').blob
    const composite = { digest, sizeBytes, crc32, parts: [digestOf('ab'), digestOf('c')] }
    const healing = (await store().addComposite(session, composite))!
    expect(healing).toMatchObject({
      blobId,
      streamId: null,
      holders: [{ artifactId: artifact.id }],
    })
    const lengths = { zipBytes: 77, zipPages: Buffer.from('z'), tarGzBytes: 66 }
    const holder = { artifactId: artifact.id, version: 1, ...lengths, namesOldStream: false }
    expect(await store().healBlob(healing, [])).toBe('changed')
    expect(await store().healBlob(healing, [{ ...holder, version: 2 }])).toBe('changed')
    expect(await stateOf(artifact)).toBe('damaged')
    expect(await store().healBlob(healing, [holder])).toBe('healed')
    // The composite that waited has become the blob.
    expect(await store().healBlob(healing, [{ ...holder, version: 2 }])).toBe('changed')

    const renewed = { state: 'available', version: 2, zipBytes: 77, tarGzBytes: 66 }
    expect(await store().findArtifact(artifact.id)).toMatchObject(renewed)
    expect(await store().findArtifact(other.id)).toMatchObject({ version: 1, zipBytes: 1_000 })
    const joinedBytes = copies[0]!.lengthBytes + copies[1]!.lengthBytes
    const healed = { blobId, copy: null, partCount: 2, joinedBytes }
    expect(await store.findBlob(digest)).toMatchObject(healed)
    const parts = await store().readParts(blobId, 0, 9)
    expect(parts.map((part) => [part.sizeBytes, part.copy.packName])).toEqual([
      [2, pack.name],
      [1, pack.name],
    ])
    const untouched = (await store.findBlob(digestOf('de')))!
    expect(untouched).toMatchObject({ copy: null, partCount: 2, joinedBytes: 6 })
    expect(await store().readParts(untouched.blobId, 0, 9)).toHaveLength(2)
    await store().abortSession(session)
    expect(await sweepBlobs(store())).toBe(swept)
    expect(await claimPacks(store())).toHaveLength(1)
    expect(await store().figures()).toMatchObject({ chunkBytes: 5, damagedArtifacts: 0 })
    await store().removeArtifacts([artifact.id], { state: 'deleted', reason: 'test', now: 2_500 })
    expect(await sweepBlobs(store())).toBe(3)
    expect(await store().figures()).toMatchObject({ chunkBytes: 2, liveBytes: 206 })
  })

  // The damaged stream, and the content of which another one arrives.
  const waiting = [
    { what: 'a file', bad: 'ab', sent: 'ab' },
    { what: 'a file of parts', bad: 'a', sent: 'ab' },
    { what: 'a part that has a copy of its own', bad: 'a', sent: 'a' },
  ]
  /** Leaves two streams of which one can heal the damage; returns the live bytes without them. */
  const leaveStreams = async ({ what, bad, sent }: (typeof waiting)[number]): Promise<number> => {
    const run = await seedRun(store())
    if (what === 'a file') await seedArtifact(store(), run, { a: 'ab' })
    else {
      const session = await openSession(store(), run)
      const own = packOf([copyOf('a', what === 'a file of parts' ? {} : { codec: 'deflate' })])
      const joining = packOf([copyOf('a')])
      for (const { pack, copies } of [own, joining]) await store().addPack(session, pack, copies)
      await commitComposite(['a', 'b'], 'parts')
      await store().abortSession(session)
    }
    await sweepBlobs(store())
    const { liveBytes } = await store().figures()
    const [part] = await store().readJoiningParts([digestOf(bad)])
    await store().markDamaged(part!.copy)
    for (const level of [7, 8]) await send(store(), [copyOf(sent, { level })])
    return liveBytes
  }

  // An upload in progress, or the number of its artifacts, can keep a blob from healing at once.
  test.each(waiting)(
    'a stream that can heal $what stays until it has, one of a kind',
    async (each) => {
      const liveBytes = await leaveStreams(each)
      expect(await sweepBlobs(store())).toBe(0)
      const kept = (await store().figures()).liveBytes - liveBytes
      expect(kept).toBe(copyOf(each.sent).lengthBytes + 100)
      const [healing] = (await store().listHealings({ limit: 1 })).healings
      const lengths = { zipBytes: 77, zipPages: Buffer.from('z'), tarGzBytes: 66 }
      const measured = healing!.holders.map((holder) => ({
        ...holder,
        ...lengths,
        namesOldStream: false,
      }))
      expect(await store().healBlob(healing!, measured)).toBe('healed')
      expect((await store().figures()).damagedArtifacts).toBe(0)
      await sweepBlobs(store())
      // One copy is stored in place of the other, or of two parts.
      const added = (await store().figures()).liveBytes - liveBytes
      expect(added).toBe(each.what === 'a file of parts' ? 104 - 206 : 0)
      expect((await store().listHealings({ limit: 1 })).healings).toEqual([])
      expect(await store().reconcileRollups()).toEqual([])
    },
  )

  test.each(
    waiting.flatMap((each) => ['sent again', 'found sound'].map((how) => ({ ...each, how }))),
  )(
    'a stream that waits to heal $what is removed once the damaged one is $how',
    async ({ how, ...each }) => {
      const liveBytes = await leaveStreams(each)
      await sweepBlobs(store())
      if (how === 'sent again') await send(store(), [copyOf(each.bad)])
      else {
        const [part] = await store().readJoiningParts([digestOf(each.bad)])
        const { streamId, offset, packName } = part!.copy
        const due = { since: 9e9, now: 9e9, writtenBefore: 9e15, limit: 100 }
        const packs = await store().listUnverifiedPacks({
          ...due,
          after: { verifiedAt: -1, id: 0 },
        })
        const { id } = packs.find(({ name }) => name === packName)!
        await store().judgeCopies(id, [{ streamId, offset, damaged: false }])
      }
      await sweepBlobs(store())
      expect(await store().figures()).toMatchObject({ liveBytes, damagedArtifacts: 0 })
    },
  )

  // Goal: a file that is registered over the old stream in the meantime keeps its length.
  test('a blob that healed in place while its holders were measured keeps its stream', async () => {
    const { id: artifactId } = await commitComposite(['aa', 'b'], 'one')
    const { streamId } = await copyIn('b')
    await store().markDamaged(await copyIn('b'))
    await send(store(), [copyOf('b', { level: 9, lengthBytes: 50 })])
    const [healing] = (await store().listHealings({ limit: 1 })).healings
    await send(store(), [copyOf('b')])
    await commitComposite(['b', 'c'], 'two')
    const lengths = { zipBytes: 77, zipPages: Buffer.from('z'), tarGzBytes: 66 }
    const measured = [{ artifactId, version: 1, ...lengths, namesOldStream: false }]
    expect(await store().healBlob(healing!, measured)).toBe('changed')
    expect(await copyIn('b')).toMatchObject({ streamId, damaged: false })
    const { blobId, joinedBytes } = (await store.findBlob(digestOf('bc')))!
    const parts = await store().readParts(blobId, 0, 9)
    expect(parts.reduce((sum, { copy }) => sum + copy.lengthBytes, 0)).toBe(joinedBytes)
  })

  test('a file that waits for other parts is measured again once one of them was healed', async () => {
    const run = await seedRun(store())
    const { id: artifactId } = await seedArtifact(store(), run, { a: 'abc' })
    await store().markDamaged(await copyIn('abc'))
    const session = await openSession(store(), run)
    await addContents(store(), session, ['ab', 'c'])
    const { digest, sizeBytes, crc32 } = copyOf('abc').blob
    const composite = { digest, sizeBytes, crc32, parts: [digestOf('ab'), digestOf('c')] }
    const outdated = (await store().addComposite(session, composite))!
    await store().markDamaged(await copyIn('c'))
    await send(store(), [copyOf('c', { level: 9, lengthBytes: 50 })])
    const [part] = (await store().listHealings({ limit: 1 })).healings
    expect(await store().healBlob(part!, [])).toBe('healed')
    const lengths = { zipBytes: 77, zipPages: Buffer.from('z'), tarGzBytes: 66 }
    const measured = [{ artifactId, version: 1, ...lengths, namesOldStream: false }]
    expect(await store().healBlob(outdated, measured)).toBe('changed')
    const healing = (await store().addComposite(session, composite))!
    expect(await store().healBlob(healing, measured)).toBe('healed')
    expect(await store.findBlob(digest)).toMatchObject({ partCount: 2, joinedBytes: 4 + 50 })
  })

  // Method: the parts are registered in twenty transactions, between which others work.
  test.each(['stays damaged', 'is healed with a longer stream'])(
    'a part that turns bad while its file is being registered, and %s, counts as what it is',
    async (fate) => {
      const session = await openSession(store(), await seedRun(store()))
      await addContents(store(), session, ['bad', '.'])
      const { digest, sizeBytes, crc32 } = copyOf(`bad${'.'.repeat(20_000)}`).blob
      const parts = ['bad', ...Array<string>(20_000).fill('.')].map((part) => digestOf(part))
      const damaged = await copyIn('bad')
      const spoil = async (): Promise<void> => {
        await store().markDamaged(damaged)
        if (fate === 'stays damaged') return
        await send(store(), [copyOf('bad', { level: 9, lengthBytes: 50 })])
        const [healing] = (await store().listHealings({ limit: 1 })).healings
        expect(await store().healBlob(healing!, [])).toBe('healed')
      }
      await Promise.all([
        store().addComposite(session, { digest, sizeBytes, crc32, parts }),
        spoil(),
      ])
      const blob = (await store.findBlob(digest))!
      const [first] = await store().readParts(blob.blobId, 0, 1)
      const isHealed = fate !== 'stays damaged'
      expect(first!.copy.damaged).toBe(!isHealed)
      expect(await store().claimBlobs(session, [digest])).toHaveLength(isHealed ? 1 : 0)
      expect(blob.joinedBytes).toBe(first!.copy.lengthBytes + 20_000 * 3)
    },
  )

  test('damage to a stream that only a skeleton names affects that artifact alone', async () => {
    const run = await seedRun(store())
    const plain = await seedArtifact(store(), run, { a: 'x' }, { name: 'plain' })
    const session = await openSession(store(), run)
    const exact = copyOf('x', { codec: 'deflate' })
    const { pack, copies } = packOf([exact])
    await store().addPack(session, pack, copies)
    const [stream] = await store().claimStreams(session, [exact.streamDigest])
    const { manifestId } = await stageEntries(store(), session, entriesOf({ a: 'x' }))
    const page = { page: 0, localOffset: 0, centralOffset: 0, bytes: Buffer.from('p') }
    await store().stageSkeletonPage(session, page, [stream!.streamId])
    const wanted = newArtifact(run, manifestId, { kind: 'exact', name: 'exact' })
    const { artifact } = await store().commitArtifact(session, wanted)

    const [placed] = await store().readStreams([stream!.streamId])
    await store().markDamaged(placed!.copy)
    expect([await stateOf(plain), await stateOf(artifact)]).toEqual(['available', 'damaged'])
    await send(store(), [exact])
    expect(await stateOf(artifact)).toBe('available')
  })

  test('registering the damaged pack again heals nothing', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    const { pack, copies } = packOf([copyOf('x')])
    await store().addPack(session, pack, copies)
    await store().markDamaged(await copyIn('x'))
    await store().addPack(session, pack, copies)
    expect((await store.findBlob(digestOf('x')))?.copy?.damaged).toBe(true)
  })
}
