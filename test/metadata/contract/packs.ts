import { expect, test } from 'vitest'
import type { NewCopy } from '../../../src/core/bytes/copy.ts'
import { digestOf } from '../../../src/core/bytes/digest.ts'
import type { Metadata, PackedCopy } from '../../../src/metadata/metadata.ts'
import type { Store } from '../metadata-contract.ts'
import { claimPacks, sweepBlobs } from '../sweep-all.ts'
import { addContents, copyOf, openSession, packOf, seedArtifact, seedRun } from '../seed.ts'

/** Registers one pack of these copies; returns it. */
async function addCopies(
  metadata: Metadata,
  sessionId: string,
  copies: NewCopy[],
): Promise<string> {
  const placed = packOf(copies)
  await metadata.addPack(sessionId, placed.pack, placed.copies)
  return placed.pack.name
}

function compositeOf(parts: string[]): {
  digest: ReturnType<typeof digestOf>
  sizeBytes: number
  crc32: number
  parts: ReturnType<typeof digestOf>[]
} {
  const whole = parts.join('')
  const { digest, sizeBytes, crc32 } = copyOf(whole).blob
  return { digest, sizeBytes, crc32, parts: parts.map((part) => digestOf(part)) }
}

export function packsContract(store: Store): void {
  test('a registered copy is found where the pack has it', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const { pack, copies } = packOf([copyOf('one', { codec: 'stored' }), copyOf('two')])
    await store().addPack(session, pack, copies)
    expect(await store().hasPack(pack.name)).toBe(true)
    expect(await store().hasPack('other')).toBe(false)
    const placement = await store.findBlob(digestOf('two'))
    const { blob, offset, lengthBytes } = copies[1]!
    expect(placement).toMatchObject({
      ...blob,
      partCount: 0,
      joinedBytes: lengthBytes,
      copy: { codec: 'joining', packName: pack.name, offset, lengthBytes, damaged: false },
    })
    expect(Buffer.from(placement!.copy!.checks)).toEqual(copies[1]!.checks)
    expect((await store.findBlob(digestOf('one')))?.copy?.codec).toBe('stored')
    expect(await store.findBlob(digestOf('three'))).toBeUndefined()
  })

  test('packs are found by name, many at a time', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const names: string[] = []
    for (let n = 0; n < 5; n++) {
      const { pack, copies } = packOf([copyOf(`copy ${n}`)])
      await store().addPack(session, pack, copies)
      names.push(pack.name)
    }
    names.sort()
    expect(await store().unknownPacks(['0', ...names, 'g'])).toEqual(['0', 'g'])
    const listed = async (after: string, upTo: string, limit = 10): Promise<string[]> =>
      (await store().listLivePacks({ after, upTo, limit })).map(({ name }) => name)
    expect(await listed('', 'g')).toEqual(names)
    expect(await listed(names[0]!, names[3]!)).toEqual(names.slice(1, 4))
    expect(await listed('', 'g', 2)).toEqual(names.slice(0, 2))
  })

  test('registration is idempotent', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const { pack, copies } = packOf([copyOf('one'), copyOf('two')])
    await store().addPack(session, pack, copies)
    const before = [await store().figures(), await store.findBlob(digestOf('one'))]
    await store().addPack(session, pack, copies)
    expect([await store().figures(), await store.findBlob(digestOf('one'))]).toEqual(before)
  })

  test('a pack of thousands of copies is registered completely', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const contents = Array.from({ length: 2_500 }, (_, index) => `content ${index}`)
    await addContents(store(), session, contents)
    for (const content of [contents[0]!, contents[999]!, contents[1_000]!, contents[2_499]!]) {
      expect(await store.findBlob(digestOf(content))).toBeDefined()
    }
    expect(await store().figures()).toMatchObject({ packs: 1 })
  })

  test('a pack is verified once all its copies are registered, although its session goes on', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const name = await addCopies(store(), session, [copyOf('one'), copyOf('two')])
    const due = { since: 1e15, now: 1e15, writtenBefore: 1e15, limit: 10 }
    const listed = await store().listUnverifiedPacks({ ...due, after: { verifiedAt: -1, id: 0 } })
    expect(listed).toMatchObject([{ name, copyCount: 2, liveCount: 2 }])
  })

  test('nothing is registered in a pack that has been claimed', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    const { pack, copies } = packOf([copyOf('one')])
    await store().addPack(session, pack, copies)
    await store().abortSession(session)
    await sweepBlobs(store())
    expect(await claimPacks(store())).toEqual([pack.name])
    const again = store().addPack(await openSession(store(), run), pack, copies)
    await expect(again).rejects.toThrow('already been deleted')
    expect(await store.findBlob(digestOf('one'))).toBeUndefined()
  })

  // Goal: a pack left by a session that ended in the middle is maintained like any other, since
  // others may have found their contents in it.
  test('a pack whose registration was interrupted is verified and compacted', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    const contents = Array.from({ length: 8_000 }, (_, index) => `content ${index}`)
    const { pack, copies } = packOf(contents.map((content) => copyOf(content)))
    const other = await openSession(store(), run)
    // Both calls are made at once: awaiting one in between could let all copies be registered.
    const [added, claimed] = await Promise.allSettled([
      store().addPack(session, pack, copies),
      store().claimBlobs(other, [digestOf('content 0')]),
      store().abortSession(session),
    ])
    expect(added).toMatchObject({ status: 'rejected', reason: { code: 'session_ended' } })
    expect(claimed).toMatchObject({ status: 'fulfilled', value: [expect.anything()] })
    await sweepBlobs(store())
    const due = { since: 1e15, now: 1e15, writtenBefore: 1e15, limit: 10 }
    const left = { name: pack.name, copyCount: 8_000, liveCount: 1 }
    const after = { verifiedAt: -1, id: 0 }
    expect(await store().listUnverifiedPacks({ ...due, after })).toMatchObject([left])
    const page = { after: 0, limit: 10 }
    expect(await store().listWastefulPacks('halfDead', page)).toMatchObject([left])
  })

  // Goal: a pack that was claimed, because all copies to be moved there had died or been moved
  // elsewhere, gets no live copy: nobody would back it up or verify it. Nor is it registered anew,
  // once its bytes and its row are gone.
  test.each(['claimed', 'removed'])('nothing moves to a pack that has been %s', async (fate) => {
    const session = await openSession(store(), await seedRun(store()))
    const from = await addCopies(store(), session, [copyOf('one')])
    const { streamId, offset, lengthBytes } = (await store.findBlob(digestOf('one')))!.copy!
    const move = { streamId, fromPackId: 1, fromOffset: offset, offset: 50, lengthBytes }
    const dead = { ...move, streamId: 99 }
    const moves = [...Array.from({ length: 20_000 }, () => dead), move]
    const { pack } = packOf([copyOf('one')])
    const copyBytes = moves.length * lengthBytes
    const moving = store().moveCopies({ ...pack, copyCount: moves.length, copyBytes }, moves)
    const claim = async (): Promise<string[]> => {
      const claimed = await claimPacks(store())
      if (fate === 'removed') await store().removePackRow(pack.name)
      return claimed
    }
    expect(await claim()).toEqual([pack.name])
    await moving
    expect((await store.findBlob(digestOf('one')))?.copy?.packName).toBe(from)
    expect(await store().hasPack(pack.name)).toBe(fate === 'claimed')
  })

  test('a copy moves only from the place at which it was copied', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const from = await addCopies(store(), session, [copyOf('one')])
    const { streamId, offset, lengthBytes } = (await store.findBlob(digestOf('one')))!.copy!
    const move = { streamId, fromPackId: 1, fromOffset: offset, offset: 50, lengthBytes }
    const { pack } = packOf([copyOf('one')])
    const moveTo = { ...pack, copyCount: 1, copyBytes: lengthBytes }
    const stale = [
      { ...move, fromPackId: 99 },
      { ...move, fromOffset: offset + 1 },
    ]
    await store().moveCopies(moveTo, stale)
    expect((await store.findBlob(digestOf('one')))?.copy).toMatchObject({ packName: from, offset })
    await store().moveCopies({ ...moveTo, name: `${pack.name}0` }, [move])
    expect((await store.findBlob(digestOf('one')))?.copy?.packName).toBe(`${pack.name}0`)
  })

  test('a long list of copies moves completely, and stays there when it is moved again', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const contents = Array.from({ length: 100 }, (_, index) => `content ${index}`)
    await addContents(store(), session, contents)
    const copies = await store().readPackCopies(1, { after: null, limit: 1_000 })
    const moves = copies.map(({ streamId, offset: fromOffset, lengthBytes }) => {
      return { streamId, fromPackId: 1, fromOffset, offset: fromOffset + 50, lengthBytes }
    })
    const { pack } = packOf(contents.map((content) => copyOf(content)))
    const copyBytes = moves.reduce((sum, move) => sum + move.lengthBytes, 0)
    const moveTo = { ...pack, copyCount: moves.length, copyBytes }
    await store().moveCopies(moveTo, moves)
    await store().moveCopies(moveTo, moves)

    expect(await store().readPackCopies(1, { after: null, limit: 1_000 })).toEqual([])
    const moved: PackedCopy[] = []
    for (let isMore = true; isMore && moved.length <= moves.length;) {
      const page = await store().readPackCopies(2, { after: moved.at(-1) ?? null, limit: 40 })
      moved.push(...page)
      isMore = page.length === 40
    }
    expect(moved).toEqual(copies.map((copy) => ({ ...copy, offset: copy.offset + 50 })))
  })

  test('small packs are listed page by page, but for those of uploads in progress', async () => {
    const run = await seedRun(store())
    for (const content of ['one', 'two'])
      await seedArtifact(store(), run, { a: content }, { name: content })
    await addContents(store(), await openSession(store(), run), ['three'])
    const list = async (after: number) =>
      (await store().listWastefulPacks('tiny', { after, limit: 10 })).map(({ id }) => id)
    const [first, second, ...rest] = await list(0)
    expect(rest).toEqual([])
    expect(await list(first!)).toEqual([second])
  })

  test('a dead pack is held by the readers that began before it died, and by no others', async () => {
    const run = await seedRun(store())
    for (const content of ['one', 'two']) {
      const session = await openSession(store(), run)
      await addContents(store(), session, [content])
      await store().abortSession(session)
    }
    await sweepBlobs(store())
    const read = async (now: number): Promise<number[]> =>
      (await store().openReadLeases([], now, 10_000)).leases
    const before = await read(2_900)
    expect(await store().listDeadPacks(3_000, { after: 0, limit: 10 })).toHaveLength(2)
    const claim = async (after: number) => await store().claimDeadPacks(3_000, { after, limit: 10 })
    const [first, second] = await claim(0)
    expect([first, second]).toMatchObject([{ isRead: true }, { isRead: true }])
    expect((await claim(first!.id)).map(({ id }) => id)).toEqual([second!.id])
    await read(3_100)
    await store().closeReadLeases(before)
    expect(await claim(0)).toMatchObject([{ isRead: false }, { isRead: false }])
  })

  test('a pack without copies can be registered too', async () => {
    const session = await openSession(store(), await seedRun(store()))
    await addCopies(store(), session, [])
    expect(await store().figures()).toMatchObject({ packs: 1, liveBytes: 0 })
  })

  test('a blob keeps its first copy as the serving copy when it gains another stream', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const [first, second] = [copyOf('one', { codec: 'deflate' }), copyOf('one')]
    await addCopies(store(), session, [first])
    const before = await store.findBlob(digestOf('one'))
    await addCopies(store(), session, [second])
    expect(await store.findBlob(digestOf('one'))).toEqual(before)
    const digests = [first.streamDigest, second.streamDigest]
    expect(await store().claimStreams(session, digests)).toHaveLength(2)
  })

  test('two streams of one blob can arrive in one pack', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const copies = [1, 9].map((level) => copyOf('one', { codec: 'deflate', level }))
    await addCopies(store(), session, copies)
    const known = await store().claimStreams(
      session,
      copies.map((copy) => copy.streamDigest),
    )
    expect(new Set(known.map((stream) => stream.streamId)).size).toBe(2)
    expect((await store.findBlob(digestOf('one')))?.copy?.streamId).toBe(
      known.find((stream) => stream.streamDigest === copies[0]!.streamDigest)?.streamId,
    )
  })

  test('a stream in two packs is live in the first and dead weight in the second', async () => {
    const run = await seedRun(store())
    const sessions = [await openSession(store(), run), await openSession(store(), run)]
    const first = await addCopies(store(), sessions[0]!, [copyOf('one')])
    const before = await store().figures()
    await addCopies(store(), sessions[1]!, [copyOf('one')])
    expect((await store.findBlob(digestOf('one')))?.copy?.packName).toBe(first)
    const after = await store().figures()
    expect(after.packs).toBe(2)
    expect(after).toMatchObject({ liveBytes: before.liveBytes, chunkBytes: before.chunkBytes })
  })

  test('a second joining stream of a blob is dead weight', async () => {
    const session = await openSession(store(), await seedRun(store()))
    await addCopies(store(), session, [copyOf('one', { level: 6 })])
    const other = copyOf('one', { level: 9 })
    await addCopies(store(), session, [other])
    expect(await store().claimStreams(session, [other.streamDigest])).toEqual([])
  })

  test('equal bytes under two codecs are two streams of two blobs', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const inflated = copyOf('what the deflate stream holds', { codec: 'deflate' })
    const file = { ...copyOf('a file that is a deflate stream', { codec: 'stored' }) }
    file.streamDigest = inflated.streamDigest
    await addCopies(store(), session, [inflated, file])
    const known = await store().claimStreams(session, [inflated.streamDigest])
    const held = new Map(known.map((stream) => [stream.codec, stream.blob.digest]))
    expect(held.get('deflate')).toBe(inflated.blob.digest)
    expect(held.get('stored')).toBe(file.blob.digest)
  })

  test('a composite is read part by part, each in its joining copy', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const parts = ['aaa', 'bb', 'aaa', 'c']
    const pack = await addCopies(store(), session, [
      copyOf('aaa', { lengthBytes: 30 }),
      copyOf('c', { lengthBytes: 10 }),
    ])
    // This part has a serving copy that does not join, and a joining copy beside it.
    await addCopies(store(), session, [copyOf('bb', { codec: 'deflate' })])
    const late = await addCopies(store(), session, [copyOf('bb', { lengthBytes: 20 })])
    await store().addComposite(session, compositeOf(parts))

    const blob = await store.findBlob(digestOf('aaabbaaac'))
    expect(blob).toMatchObject({ copy: null, sizeBytes: 9, partCount: 4, joinedBytes: 90 })
    const read = await store().readParts(blob!.blobId, 0, 10)
    expect(read.map((part) => [part.sizeBytes, part.crc32])).toEqual(
      parts.map((part) => [part.length, copyOf(part).blob.crc32]),
    )
    expect(read.map((part) => part.copy.codec)).toEqual(Array(4).fill('joining'))
    expect(read.map((part) => part.copy.packName)).toEqual([pack, late, pack, pack])
    expect(await store().readParts(blob!.blobId, 1, 2)).toEqual(read.slice(1, 3))
    expect(await store().readParts(blob!.blobId, 4, 10)).toEqual([])
  })

  test('a composite of thousands of parts is registered completely', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const parts = Array.from({ length: 2_345 }, (_, index) => `${index},`)
    await addContents(store(), session, parts)
    await store().addComposite(session, compositeOf(parts))
    const blob = await store.findBlob(digestOf(parts.join('')))
    expect(blob?.partCount).toBe(2_345)
    const read = await store().readParts(blob!.blobId, 900, 200)
    expect(read.map((part) => part.crc32)).toEqual(
      parts.slice(900, 1_100).map((part) => copyOf(part).blob.crc32),
    )
  })

  test('a known composite stays as it is', async () => {
    const session = await openSession(store(), await seedRun(store()))
    await addContents(store(), session, ['ab', 'c', 'a', 'bc'])
    await store().addComposite(session, compositeOf(['ab', 'c']))
    const before = await store.findBlob(digestOf('abc'))
    await store().addComposite(session, compositeOf(['ab', 'c']))
    // Cut elsewhere, it is still the same content.
    await store().addComposite(session, compositeOf(['a', 'bc']))
    expect(await store.findBlob(digestOf('abc'))).toEqual(before)
  })

  test('a blob that has a copy does not become a composite', async () => {
    const session = await openSession(store(), await seedRun(store()))
    await addContents(store(), session, ['ab', 'a', 'b'])
    await store().addComposite(session, compositeOf(['a', 'b']))
    expect(await store.findBlob(digestOf('ab'))).toMatchObject({ partCount: 0 })
  })

  test('a composite gains exact streams, and is still read from its parts', async () => {
    const session = await openSession(store(), await seedRun(store()))
    await addContents(store(), session, ['a', 'b'])
    await store().addComposite(session, compositeOf(['a', 'b']))
    const exact = copyOf('ab', { codec: 'deflate' })
    await addCopies(store(), session, [exact])
    expect(await store.findBlob(digestOf('ab'))).toMatchObject({ copy: null, partCount: 2 })
    expect(await store().claimStreams(session, [exact.streamDigest])).toHaveLength(1)
  })

  test('parts that do not join, are unknown, damaged or being swept, or do not add up make no composite', async () => {
    const run = await seedRun(store())
    const swept = await seedArtifact(store(), run, { s: 's' })
    await store().removeArtifacts([swept.id], { state: 'deleted', reason: 'test', now: 2_500 })
    expect(await store().claimDeadBlobs(3_000, 10)).toHaveLength(1)
    const session = await openSession(store(), run)
    const joining = [copyOf('a'), copyOf('d')]
    await addCopies(store(), session, [...joining, copyOf('b', { codec: 'deflate' })])
    await store().markDamaged((await store.findBlob(digestOf('d')))!.copy!)
    const refused = { code: 'not_found' }
    const add = async (parts: string[]): Promise<void> => {
      await store().addComposite(session, compositeOf(parts))
    }
    await expect(add(['a', 'b'])).rejects.toMatchObject(refused)
    await expect(add(['a', 'unknown'])).rejects.toMatchObject(refused)
    await expect(add(['a', 'd'])).rejects.toMatchObject(refused)
    await expect(add(['a', 's'])).rejects.toMatchObject(refused)
    const short = { ...compositeOf(['a', 'a']), sizeBytes: 3 }
    await expect(store().addComposite(session, short)).rejects.toThrow('do not add up')
    await expect(store().addComposite(session, { ...short, parts: [] })).rejects.toThrow('parts')
    for (const content of ['ab', 'aunknown', 'ad', 'as', 'aa']) {
      expect(await store.findBlob(digestOf(content))).toBeUndefined()
    }
  })

  test('two sessions that register equal content concurrently end with one of each', async () => {
    const run = await seedRun(store())
    const parts = Array.from({ length: 1_500 }, (_, index) => `${index};`)
    const upload = async (): Promise<string> => {
      const session = await openSession(store(), run)
      await addCopies(
        store(),
        session,
        parts.map((part) => copyOf(part)),
      )
      await store().addComposite(session, compositeOf(parts))
      return session
    }
    const sessions = await Promise.all([upload(), upload()])
    const { sizeBytes } = copyOf(parts.join('')).blob
    expect(await store().figures()).toMatchObject({ packs: 2, chunkBytes: sizeBytes })
    const blob = await store.findBlob(digestOf(parts.join('')))
    expect(await store().readParts(blob!.blobId, 0, 2_000)).toHaveLength(1_500)
    for (const session of sessions) await store().abortSession(session)
    await sweepBlobs(store())
    expect(await store().figures()).toMatchObject({ chunkBytes: 0, liveBytes: 0 })
  })
}
