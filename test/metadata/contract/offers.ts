import { expect, test } from 'vitest'
import { createDigestHasher, digestOf } from '../../../src/core/bytes/digest.ts'
import { encodeTimes } from '../../../src/core/manifest/modification-times.ts'
import type { Run } from '../../../src/metadata/metadata.ts'
import type { Store } from '../metadata-contract.ts'
import { releaseAll, sweepBlobs } from '../sweep-all.ts'
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

export function offersContract(store: Store): void {
  const offer = digestOf('an offer')
  const open = async (run: Run, now = 1_000, leaseMs = 500) =>
    await store().openOfferSession({ projectId: run.projectId, offer, now, leaseMs })
  const digestsOf = (...contents: string[]) => contents.map((content) => digestOf(content))

  test('an offer finds its session again while the lease lasts, and extends the lease each time', async () => {
    const run = await seedRun(store())
    const first = await open(run)
    expect(first.resumed).toBe(false)
    expect(await store().findSession(first.sessionId)).toEqual({
      projectId: run.projectId,
      project: run.project,
      offer,
    })
    expect(await open(run, 1_400)).toEqual({ sessionId: first.sessionId, resumed: true })
    expect(await open(run, 1_899)).toEqual({ sessionId: first.sessionId, resumed: true })
    expect(await store().hasOfferSession(offer, 2_398)).toBe(true)
    expect(await store().hasOfferSession(offer, 2_399)).toBe(false)
    expect(await store().hasOfferSession(digestOf('their offer'), 1_899)).toBe(false)
    const later = await open(run, 9_000)
    expect(later.resumed).toBe(false)
    expect(later.sessionId).not.toBe(first.sessionId)
    const other = await seedRun(store(), { project: 'acme/other' })
    const theirs = await store().openOfferSession({
      projectId: other.projectId,
      offer: digestOf('their offer'),
      now: 9_000,
      leaseMs: 500,
    })
    expect(theirs.resumed).toBe(false)
    expect(await store().findSession(theirs.sessionId)).toMatchObject({ project: other.project })
    expect(await store().findSession(later.sessionId)).toMatchObject({ project: run.project })
  })

  test('a committed or aborted session is not found by its offer', async () => {
    const run = await seedRun(store())
    const { sessionId } = await open(run)
    await store().abortSession(sessionId)
    expect(await store().findSession(sessionId)).toBeUndefined()
    expect(await store().hasOfferSession(offer, 1_000)).toBe(false)
    const second = await open(run)
    expect(second.resumed).toBe(false)
    await addContents(store(), second.sessionId, ['x'])
    const { manifestId } = await stageEntries(store(), second.sessionId, entriesOf({ a: 'x' }))
    await store().commitArtifact(second.sessionId, newArtifact(run, manifestId))
    expect(await store().findSession(second.sessionId)).toBeUndefined()
    expect(await open(run)).toMatchObject({ resumed: false })
  })

  test('recovery lists an offer session only once its lease is over', async () => {
    const run = await seedRun(store())
    const { sessionId } = await open(run, Date.now(), 60_000)
    const plain = await openSession(store(), run, Date.now())
    expect(await store().listSessions(Infinity, 10)).toEqual([plain])
    await store().abortSession(sessionId)
    const past = await open(run, 1_000, 500)
    expect(new Set(await store().listSessions(Infinity, 10))).toEqual(
      new Set([plain, past.sessionId]),
    )
  })

  test('a session knows how many pack bytes it added', async () => {
    const run = await seedRun(store())
    const { sessionId } = await open(run)
    expect(await store().sessionPackBytes(sessionId)).toBe(0)
    await addContents(store(), sessionId, ['one'])
    await addContents(store(), await openSession(store(), run), ['sent by another session'])
    const bytes = await store().sessionPackBytes(sessionId)
    expect(bytes).toBe(packOf([copyOf('one')]).pack.sizeBytes)
    await addContents(store(), sessionId, ['two'])
    expect(await store().sessionPackBytes(sessionId)).toBe(2 * bytes)
    await store().abortSession(sessionId)
    await expect(store().sessionPackBytes(sessionId)).rejects.toMatchObject({
      code: 'session_ended',
    })
  })

  test('only blobs that the project refers to, or that the session sent, can be claimed by digest alone', async () => {
    const run = await seedRun(store())
    const other = await seedRun(store(), { project: 'acme/other' })
    await seedArtifact(store(), run, { a: 'mine', b: 'both' })
    await seedArtifact(store(), other, { a: 'theirs', b: 'both' })
    const { sessionId } = await open(run)
    const second = await openSession(store(), run)
    await addContents(store(), second, ['sent by another session'])
    await addContents(store(), sessionId, ['sent'])
    const wanted = digestsOf('mine', 'theirs', 'both', 'sent', 'sent by another session', 'nobody')
    const sent = await store().claimSentBlobs(sessionId, wanted)
    expect(sent.map(({ digest }) => digest)).toEqual(digestsOf('sent'))
    const known = await store().claimReadableBlobs(sessionId, wanted)
    expect(new Set(known.map(({ digest }) => digest))).toEqual(
      new Set(digestsOf('mine', 'both', 'sent')),
    )
    expect(known.find(({ digest }) => digest === digestOf('mine'))).toEqual({
      ...copyOf('mine').blob,
      joins: true,
    })
    expect(await store().claimReadableBlobs(sessionId, [])).toEqual([])
  })

  test('a claimed blob stays when the artifact that had it is removed', async () => {
    const run = await seedRun(store())
    const { id } = await seedArtifact(store(), run, { a: 'one' })
    const { sessionId } = await open(run)
    expect(await store().claimReadableBlobs(sessionId, digestsOf('one'))).toHaveLength(1)
    await store().removeArtifacts([id], { state: 'deleted', reason: 'test', now: 1_100 })
    expect(await store().claimReadableBlobs(sessionId, digestsOf('one'))).toHaveLength(1)
    const stranger = await openSession(store(), run)
    expect(await store().claimReadableBlobs(stranger, digestsOf('one'))).toEqual([])
  })

  test('parts of a composite of the project can be claimed, and read in order', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    await addContents(store(), session, ['part one ', 'part two'])
    const whole = 'part one part two'
    const composite = { ...copyOf(whole).blob, parts: digestsOf('part one ', 'part two') }
    await store().addComposite(session, composite)
    const { manifestId } = await stageEntries(store(), session, entriesOf({ big: whole }))
    await store().commitArtifact(session, newArtifact(run, manifestId))
    const { sessionId } = await open(run)
    const known = await store().claimReadableBlobs(sessionId, [
      composite.digest,
      ...composite.parts,
    ])
    expect(known).toHaveLength(3)
    const other = await seedRun(store(), { project: 'acme/other' })
    await seedArtifact(store(), other, { a: 'theirs' })
    const wanted = [composite.digest, ...composite.parts]
    expect(await store().claimReadableBlobs(await openSession(store(), other), wanted)).toEqual([])
    expect(await store().claimReadableBlobs(sessionId, digestsOf('theirs'))).toEqual([])
    const blob = await store.findBlob(composite.digest)
    expect(await store().readPartDigests(blob!.blobId, 0, 10)).toEqual([
      { digest: composite.parts[0], sizeBytes: 9 },
      { digest: composite.parts[1], sizeBytes: 8 },
    ])
    expect(await store().readPartDigests(blob!.blobId, 1, 10)).toHaveLength(1)
    expect(await store().readPartDigests(blob!.blobId, 0, 1)).toHaveLength(1)
    expect(await store().readPartDigests(blob!.blobId, 2, 10)).toEqual([])
    const parts = await store().readJoiningParts(composite.parts.toReversed())
    expect(parts.map(({ copy }) => copy.lengthBytes)).toEqual([10, 11])
    expect(parts.map(({ sizeBytes }) => sizeBytes)).toEqual([8, 9])
    await store().markDamaged(parts[0]!.copy)
    const found = await store().readJoiningParts(composite.parts.toReversed())
    expect(found.map(({ copy }) => copy.damaged)).toEqual([true, false])
    await expect(store().readJoiningParts(digestsOf('nobody'))).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  test('offered pages are kept by kind and number, and can be replaced, appended and dropped', async () => {
    const run = await seedRun(store())
    const { sessionId } = await open(run)
    const other = await openSession(store(), run)
    type Kind = 'entries' | 'composites'
    const stage = async (kind: Kind, page: number | null, text: string, session = sessionId) => {
      await store().stageOffered(session, kind, page, Buffer.from(text))
    }
    const read = async (kind: Kind, page: number, session = sessionId) => {
      const bytes = await store().readOffered(session, kind, page)
      return bytes && Buffer.from(bytes).toString()
    }
    // Neither another session nor another kind counts as having a page.
    for (const text of ['third', 'second', 'first']) await stage('composites', null, text, other)
    await stage('entries', 1, 'theirs', other)
    await stage('entries', 0, 'first')
    await stage('entries', 0, 'zero')
    await stage('entries', 2, 'second')
    await stage('entries', 1, 'one')
    await stage('entries', 1, 'one again')
    for (const text of ['first', 'second', 'first', 'other']) await stage('composites', null, text)
    expect(await read('composites', 2)).toBe('other')
    expect(await read('composites', 3)).toBeUndefined()
    expect([await read('entries', 0), await read('entries', 1)]).toEqual(['zero', 'one again'])
    expect([await read('composites', 0), await read('composites', 1)]).toEqual(['first', 'second'])
    await store().dropOffered(sessionId, 'entries', 1)
    expect([await read('entries', 0), await read('entries', 1)]).toEqual(['zero', undefined])
    expect(await read('composites', 1)).toBe('second')
    expect(await read('entries', 1, other)).toBe('theirs')
    await store().abortSession(sessionId)
    await expect(read('entries', 0)).rejects.toMatchObject({ code: 'session_ended' })
    await expect(stage('entries', 0, 'x')).rejects.toMatchObject({ code: 'session_ended' })
  })

  test('a tree is known to the project that has it, while an artifact of it is live', async () => {
    const run = await seedRun(store())
    const other = await seedRun(store(), { project: 'acme/other' })
    const facts = { expiresAt: 5_000, zipPages: Buffer.from('pages') }
    const artifact = await seedArtifact(store(), run, { a: 'one' }, facts)
    await seedArtifact(store(), run, { a: 'another' }, { name: 'another' })
    const { id, kind, treeDigest, zipBytes, tarGzBytes } = artifact
    const known = await store().findKnownTree(run.projectId, treeDigest, 4_999)
    // A thread returns a plain Uint8Array.
    const found = known?.artifacts.map((each) => ({
      ...each,
      zipPages: each.zipPages && Buffer.from(each.zipPages),
    }))
    expect(found).toEqual([{ id, kind, zipBytes, zipPages: facts.zipPages, tarGzBytes }])
    expect(await store().findKnownTree(run.projectId, treeDigest, 5_000)).toBeUndefined()
    expect(await store().findKnownTree(other.projectId, treeDigest, 2_000)).toBeUndefined()
    expect(await store().findKnownTree(run.projectId, digestOf('x'), 2_000)).toBeUndefined()
    const removal = { state: 'deleted', reason: 'test', now: 2_500, undoMs: 1_000 } as const
    await store().removeArtifacts([artifact.id], removal)
    expect(await store().findKnownTree(run.projectId, treeDigest, 2_600)).toBeUndefined()
  })

  test('a known tree can be leased, and then stays whatever happens to its artifacts', async () => {
    const run = await seedRun(store())
    const other = await seedRun(store(), { project: 'acme/other' })
    const artifact = await seedArtifact(store(), run, { a: 'one', b: 'two' }, { expiresAt: 5_000 })
    const unleased = await seedArtifact(store(), other, { a: 'theirs' })
    const session = await openSession(store(), run)
    const stranger = await openSession(store(), other)
    const { treeDigest } = artifact
    expect(await store().leaseKnownTree(stranger, treeDigest, 2_000)).toBeUndefined()
    expect(await store().leaseKnownTree(session, treeDigest, 5_000)).toBeUndefined()
    const manifestId = (await store().leaseKnownTree(session, treeDigest, 2_000))!
    const held = (await store().readLeasedPage(session, manifestId, 0))!
    expect(held).toHaveLength(2)
    expect(held.map(({ kind, path }) => [kind, path])).toEqual([
      ['file', 'a'],
      ['file', 'b'],
    ])
    expect(await store().readLeasedPage(session, manifestId, 1)).toBeUndefined()
    for (const [reader, id] of [
      [stranger, manifestId],
      [session, unleased.manifestId],
    ] as const) {
      const page = store().readLeasedPage(reader, id, 0)
      await expect(page).rejects.toMatchObject({ code: 'not_found' })
    }
    await store().removeArtifacts([artifact.id], { state: 'deleted', reason: 'test', now: 2_500 })
    await releaseAll(store(), 3_000)
    await sweepBlobs(store())
    const staged = await store().stageManifest(session, {
      treeDigest: digestOf('b alone'),
      entryCount: 1,
      fileCount: 1,
      logicalBytes: 3,
    })
    const [placed] = await store().stageManifestPage(session, staged.manifestId, 0, [held[1]!])
    expect(placed).toMatchObject({ kind: 'file', path: 'b', digest: digestOf('two'), sizeBytes: 3 })
    await store().commitArtifact(session, newArtifact(run, staged.manifestId))
    // Its lease ends with the session.
    await sweepBlobs(store())
    expect(await store.findBlob(digestOf('one'))).toBeUndefined()
    expect(await store.findBlob(digestOf('two'))).toBeDefined()
  })

  test('entries of a manifest that is not leased, or damaged since, cannot be staged', async () => {
    const run = await seedRun(store())
    const { treeDigest } = await seedArtifact(store(), run, { a: 'one' })
    const reader = await openSession(store(), run)
    const manifestId = (await store().leaseKnownTree(reader, treeDigest, 2_000))!
    const held = (await store().readLeasedPage(reader, manifestId, 0))!
    const stage = async (session: string): Promise<void> => {
      const tree = { treeDigest: digestOf('x'), entryCount: 1, fileCount: 1, logicalBytes: 3 }
      const staged = await store().stageManifest(session, tree)
      await store().stageManifestPage(session, staged.manifestId, 0, held)
    }
    const unknown = { code: 'not_found' }
    const stranger = await openSession(store(), run)
    const { treeDigest: another } = await seedArtifact(store(), run, { a: 'two' }, { name: 'two' })
    await store().leaseKnownTree(stranger, another, 2_000)
    await expect(stage(stranger)).rejects.toMatchObject(unknown)
    await store().markDamaged((await store.findBlob(digestOf('one')))!.copy!)
    await expect(stage(reader)).rejects.toMatchObject(unknown)
  })

  test('a tree with damage is not known, so that it is sent again', async () => {
    const run = await seedRun(store())
    const { id, treeDigest } = await seedArtifact(store(), run, { a: 'one' })
    const blob = await store.findBlob(digestOf('one'))
    await store().markDamaged(blob!.copy!)
    expect((await store().findArtifact(id))?.state).toBe('damaged')
    expect(await store().findKnownTree(run.projectId, treeDigest, 2_000)).toBeUndefined()
  })

  test('times are identified by a digest, and can be copied to another artifact of the same project only', async () => {
    const run = await seedRun(store())
    const other = await seedRun(store(), { project: 'acme/other' })
    const commit = async (owner: Run, name: string, from: number | null, time = 77) => {
      const session = await openSession(store(), owner)
      await addContents(store(), session, ['one'])
      const entries = entriesOf({ a: 'one' })
      const { manifestId } = await stageEntries(store(), session, entries, [time])
      if (from !== null) {
        await store().stageTimes(session, 0, encodeTimes([1]))
        await store().stageTimesOf(session, from)
      }
      const wanted = newArtifact(owner, manifestId, { name })
      return (await store().commitArtifact(session, wanted)).artifact
    }
    const first = await commit(run, 'first', null)
    await commit(run, 'touched', null, 78)
    const hasher = createDigestHasher()
    hasher.update(encodeTimes([77]))
    expect(await store().readTimesDigest(first.id)).toBe(hasher.digest())
    expect(await store().readTimesDigest(9_999)).toBe(digestOf(''))
    const second = await commit(run, 'second', first.id)
    expect((await store().readEntryPage(second.id, 0))?.modifiedAt).toEqual([77])
    const stranger = await commit(other, 'stranger', first.id)
    expect((await store().readEntryPage(stranger.id, 0))?.modifiedAt).toEqual([1])
  })
}
