import { describe, expect, test } from 'vitest'
import { parseArtifactName } from '../../../src/core/artifact.ts'
import { digestOf } from '../../../src/core/bytes/digest.ts'
import type { Entry } from '../../../src/core/manifest/entry.ts'
import { noFacts } from '../../../src/core/run/run.ts'
import type { Artifact, Run } from '../../../src/metadata/metadata.ts'
import type { Store } from '../metadata-contract.ts'
import {
  addContents,
  entriesOf,
  fileEntry,
  newArtifact,
  openSession,
  seedArtifact,
  seedRun,
  stageEntries,
} from '../seed.ts'

const all = { limit: 10, offset: 0, sort: 'newest', now: 3_000 } as const

export function publishingContract(store: Store): void {
  /** Opens a session with everything staged except the commit. */
  const stage = async (
    run: Run,
    files: Record<string, string>,
  ): Promise<{ session: string; manifestId: number; exists: boolean }> => {
    const session = await openSession(store(), run)
    await addContents(store(), session, Object.values(files))
    return { session, ...(await stageEntries(store(), session, entriesOf(files))) }
  }
  const liveArtifacts = async (): Promise<Artifact[]> =>
    (await store().listArtifacts({}, all)).artifacts

  test('an artifact reads back as it was committed', async () => {
    const run = await seedRun(store(), { number: 12, attempt: 2, branch: 'main' })
    const { session, manifestId } = await stage(run, { a: 'one', 'b/c': 'two', d: 'one' })
    const zipDigest = digestOf('zip')
    const wanted = newArtifact(run, manifestId, {
      kind: 'exact',
      fileName: 'd.zip',
      zipDigest,
      zipPages: Buffer.from('pages'),
      newBytes: 5,
    })
    const { artifact, created } = await store().commitArtifact(session, wanted)
    expect(created).toBe(true)
    expect(artifact).toEqual({
      id: artifact.id,
      projectId: run.projectId,
      project: 'acme/app',
      runId: run.id,
      runNumber: 12,
      attempt: 2,
      ...noFacts,
      branch: 'main',
      job: 'build',
      name: 'dist',
      state: 'available',
      kind: 'exact',
      mimeType: 'application/zip',
      fileName: 'd.zip',
      opaqueReason: null,
      manifestId,
      treeDigest: artifact.treeDigest,
      zipDigest,
      zipBytes: 1_000,
      tarGzBytes: 900,
      newBytes: 5,
      entryCount: 3,
      fileCount: 3,
      logicalBytes: 9,
      createdAt: 2_000,
      expiresAt: 1_000_000,
      pinned: false,
      keptLatest: false,
      removedAt: null,
      removedReason: null,
      removedBy: null,
      secrets: null,
      version: 1,
    })
    expect(await store().findArtifact(artifact.id)).toEqual(artifact)
    expect(await store().findArtifact(artifact.id + 1)).toBeUndefined()
    // A thread returns a plain Uint8Array.
    expect(Buffer.from((await store().readZipPages(artifact.id, 1))!).toString()).toBe('pages')
    // Other versions have other zip pages.
    expect(await store().readZipPages(artifact.id, 2)).toBeNull()
  })

  test('nothing is visible before the commit', async () => {
    const run = await seedRun(store())
    const { manifestId } = await stage(run, { a: 'one' })
    expect(await liveArtifacts()).toEqual([])
    expect(await store().figures()).toMatchObject({ artifacts: 0, files: 0, uniqueBytes: 0 })
    // Another upload of the same tree does not find a manifest that may never be committed.
    const other = await stage(run, { a: 'one' })
    expect(other).toMatchObject({ exists: false })
    expect(other.manifestId).not.toBe(manifestId)
  })

  test('an aborted upload leaves nothing behind', async () => {
    const run = await seedRun(store())
    const { session, manifestId } = await stage(run, { a: 'one' })
    const skeleton = { page: 0, localOffset: 0, centralOffset: 0, bytes: Buffer.from('s') }
    await store().stageSkeletonPage(session, skeleton, [])
    await store().abortSession(session)
    expect(await store().readStagedEntryPage(manifestId, 0)).toBeUndefined()
    const wanted = newArtifact(run, manifestId)
    const ended = { code: 'session_ended' }
    await expect(store().commitArtifact(session, wanted)).rejects.toMatchObject(ended)
    expect(await liveArtifacts()).toEqual([])
    expect((await store().figures()).uniqueBytes).toBe(0)
  })

  test('a committed session cannot be used any more', async () => {
    const run = await seedRun(store())
    const { session, manifestId } = await stage(run, { a: 'one' })
    await store().commitArtifact(session, newArtifact(run, manifestId))
    const again = store().commitArtifact(session, newArtifact(run, manifestId))
    await expect(again).rejects.toMatchObject({ code: 'session_ended' })
    await store().abortSession(session)
    expect(await liveArtifacts()).toHaveLength(1)
  })

  test('a tree that the project already has is not staged again', async () => {
    const [one, two] = [
      await seedRun(store(), { number: 1 }),
      await seedRun(store(), { number: 2 }),
    ]
    const first = await seedArtifact(store(), one, { a: 'one' })
    const { session, manifestId, exists } = await stage(two, { a: 'one' })
    expect({ manifestId, exists }).toEqual({ manifestId: first.manifestId, exists: true })
    const { artifact } = await store().commitArtifact(session, newArtifact(two, manifestId))
    expect(artifact).toMatchObject({ manifestId, treeDigest: first.treeDigest })
    expect(await store().readEntryPage(artifact.id, 0)).toEqual(
      await store().readEntryPage(first.id, 0),
    )
  })

  test('another project stages a manifest of its own', async () => {
    const first = await seedArtifact(store(), await seedRun(store()), { a: 'one' })
    const other = await stage(await seedRun(store(), { project: 'other/one' }), { a: 'one' })
    expect(other.exists).toBe(false)
    expect(other.manifestId).not.toBe(first.manifestId)
  })

  test('a tree that a session was told exists is still there at its commit, whatever is removed in between', async () => {
    const run = await seedRun(store())
    const first = await seedArtifact(store(), run, { a: 'one' })
    const { session, manifestId } = await stage(run, { a: 'one' })
    await store().removeArtifacts([first.id], { state: 'deleted', reason: 'test', now: 2_500 })
    expect(await store().claimDeadBlobs(2_500, 10)).toEqual([])
    const { artifact } = await store().commitArtifact(session, newArtifact(run, manifestId))
    expect((await store().readEntryPage(artifact.id, 0))?.entries).toHaveLength(1)
  })

  test('two concurrent uploads of one tree share the manifest that was committed first', async () => {
    const run = await seedRun(store())
    const [one, two] = [await stage(run, { a: 'one' }), await stage(run, { a: 'one' })]
    const commit = async ({ session, manifestId }: typeof one, name: string): Promise<Artifact> =>
      (await store().commitArtifact(session, newArtifact(run, manifestId, { name }))).artifact
    const [first, second] = [await commit(one, 'first'), await commit(two, 'second')]
    expect(second.manifestId).toBe(first.manifestId)
    expect((await store().readEntryPage(second.id, 0))?.entries).toHaveLength(1)
    expect(await store().readStagedEntryPage(two.manifestId, 0)).toBeUndefined()
  })

  test('each artifact of a shared manifest has its own times', async () => {
    const run = await seedRun(store())
    const entries = entriesOf({ a: 'one', b: 'two' })
    const ids: number[] = []
    for (const times of [
      [1, null],
      [-7, 1_700_000_000],
    ]) {
      const session = await openSession(store(), run)
      await addContents(store(), session, ['one', 'two'])
      const { manifestId } = await stageEntries(store(), session, entries, times)
      const wanted = newArtifact(run, manifestId, { name: `n${ids.length}` })
      ids.push((await store().commitArtifact(session, wanted)).artifact.id)
    }
    expect((await store().readEntryPage(ids[0]!, 0))?.modifiedAt).toEqual([1, null])
    expect((await store().readEntryPage(ids[1]!, 0))?.modifiedAt).toEqual([-7, 1_700_000_000])
  })

  test('an empty tree is an artifact', async () => {
    const artifact = await seedArtifact(store(), await seedRun(store()), {})
    expect(artifact).toMatchObject({ entryCount: 0, fileCount: 0, logicalBytes: 0 })
    expect(await store().readEntryPage(artifact.id, 0)).toBeUndefined()
  })

  test('a taken name is refused, and the upload can continue under another', async () => {
    const run = await seedRun(store())
    const held = await seedArtifact(store(), run, { a: 'one' })
    const { session, manifestId } = await stage(run, { a: 'two' })
    await expect(
      store().commitArtifact(session, newArtifact(run, manifestId)),
    ).rejects.toMatchObject({
      code: 'name_taken',
      details: { name: 'dist', artifactId: held.id },
    })
    const other = newArtifact(run, manifestId, { name: 'other' })
    expect((await store().commitArtifact(session, other)).created).toBe(true)
    expect(await liveArtifacts()).toHaveLength(2)
  })

  test('names are unique per run and attempt, and case-sensitive', async () => {
    const run = await seedRun(store())
    await seedArtifact(store(), run, { a: 'one' })
    await seedArtifact(store(), run, { a: 'one' }, { name: 'Dist' })
    await seedArtifact(store(), await seedRun(store(), { attempt: 2 }), { a: 'one' })
    expect(await liveArtifacts()).toHaveLength(3)
  })

  test('replacing an artifact removes the holder of the name in the same transaction', async () => {
    const run = await seedRun(store())
    const held = await seedArtifact(store(), run, { a: 'one' })
    const next = await seedArtifact(store(), run, { a: 'two' }, { onConflict: 'replace' })
    expect(await liveArtifacts()).toEqual([next])
    expect(await store().findArtifact(held.id)).toMatchObject({
      state: 'deleted',
      removedAt: 2_000,
      removedReason: 'replaced',
    })
    await expect(store().restoreArtifact(held.id, 2_000)).rejects.toMatchObject({
      code: 'artifact_deleted',
      message: `artifact ${held.id} was replaced by a later upload, which cannot be undone`,
    })
  })

  test('a replaced artifact that is still read cannot be restored by a clock that was set back', async () => {
    const run = await seedRun(store())
    const held = await seedArtifact(store(), run, { a: 'one' })
    await store().openReadLeases([held.id], 1_000, 9_000)
    const next = await seedArtifact(store(), run, { a: 'two' }, { onConflict: 'replace' })
    await store().removeArtifacts([next.id], { state: 'deleted', reason: 'api', now: 2_100 })
    await expect(store().restoreArtifact(held.id, 1_500)).rejects.toMatchObject({
      code: 'artifact_deleted',
      message: `artifact ${held.id} was replaced by a later upload, which cannot be undone`,
    })
  })

  test('with `replace-own` only the job that made the holder replaces it', async () => {
    const run = await seedRun(store())
    const held = await seedArtifact(store(), run, { a: 'one' })
    const { session, manifestId } = await stage(run, { a: 'two' })
    const foreign = newArtifact(run, manifestId, { job: 'other', onConflict: 'replace-own' })
    const refused = { code: 'forbidden' }
    await expect(store().commitArtifact(session, foreign)).rejects.toMatchObject(refused)
    expect(await liveArtifacts()).toEqual([held])
    const own = newArtifact(run, manifestId, { onConflict: 'replace-own' })
    const { artifact } = await store().commitArtifact(session, own)
    expect(await liveArtifacts()).toEqual([artifact])
  })

  test('an artifact that is kept is not replaced until it is released', async () => {
    const run = await seedRun(store())
    const held = await seedArtifact(store(), run, { a: 'one' })
    await store().setRetention(held.id, { pinned: true })
    for (const onConflict of ['replace', 'replace-own'] as const) {
      const replacing = seedArtifact(store(), run, { a: 'two' }, { onConflict })
      await expect(replacing).rejects.toMatchObject({
        code: 'forbidden',
        message: expect.stringContaining(`artifact ${held.id} is kept`) as string,
      })
    }
    expect((await liveArtifacts()).map(({ id }) => id)).toEqual([held.id])
    await store().setRetention(held.id, { pinned: false })
    const next = await seedArtifact(store(), run, { a: 'two' }, { onConflict: 'replace' })
    expect(await liveArtifacts()).toEqual([next])
  })

  test('an artifact takes its name back from one that has expired', async () => {
    const run = await seedRun(store())
    const { id } = await seedArtifact(store(), run, { a: 'one' })
    const removal = { state: 'deleted', reason: 'test', now: 2_100, undoMs: 9_000 } as const
    await store().removeArtifacts([id], removal)
    const holder = await seedArtifact(store(), run, { a: 'two' }, { expiresAt: 2_500 })
    const restore = (now: number): Promise<void> => store().restoreArtifact(id, now)
    await expect(restore(2_499)).rejects.toMatchObject({ code: 'name_taken' })
    await restore(2_500)
    expect(await store().findArtifact(id)).toMatchObject({ state: 'available', removedAt: null })
    expect(await store().findArtifact(holder.id)).toMatchObject({ state: 'expired' })
  })

  test('an expired artifact frees its name', async () => {
    const run = await seedRun(store())
    const held = await seedArtifact(store(), run, { a: 'one' }, { expiresAt: 2_000 })
    await seedArtifact(store(), run, { a: 'two' }, { createdAt: 2_000 })
    expect(await store().findArtifact(held.id)).toMatchObject({ state: 'expired' })
  })

  test.each(['same', 'other'])(
    'an artifact that expires during an upload frees its name for it: %s tree',
    async (tree) => {
      const run = await seedRun(store())
      const held = await seedArtifact(store(), run, { a: 'same' }, { expiresAt: 2_500 })
      const { session, manifestId } = await stage(run, { a: tree })
      const times = { createdAt: 2_000, now: 2_500 }
      const wanted = newArtifact(run, manifestId, { onConflict: 'same', ...times })
      const { artifact, created } = await store().commitArtifact(session, wanted)
      expect([created, artifact.createdAt, artifact.expiresAt]).toEqual([true, 2_000, 1_000_000])
      expect(await store().findArtifact(held.id)).toMatchObject({
        state: 'expired',
        removedAt: 2_500,
      })
    },
  )

  describe('under a clock that is ahead of the believed time,', () => {
    const year = 365 * 24 * 60 * 60 * 1000
    const late = { createdAt: year, now: year, expiresAt: 2 * year }
    const hold = async (): Promise<{ run: Run; held: Artifact }> => {
      await store().noteBelievedTime(2_000)
      const run = await seedRun(store())
      return { run, held: await seedArtifact(store(), run, { a: 'one' }, { expiresAt: year }) }
    }

    test.each(['one', 'two'])('an artifact that seems expired keeps its name: %s', async (tree) => {
      const { run, held } = await hold()
      const repeated = seedArtifact(store(), run, { a: tree }, { onConflict: 'same', ...late })
      await expect(repeated).rejects.toMatchObject({
        code: 'busy',
        message: expect.stringContaining(`held by artifact ${held.id}`) as string,
      })
      expect(await liveArtifacts()).toEqual([held])
      await store().noteBelievedTime(year)
      const next = await seedArtifact(store(), run, { a: tree }, { onConflict: 'same', ...late })
      expect(await liveArtifacts()).toEqual([next])
    })

    test('an artifact that seems expired can be replaced', async () => {
      const { run, held } = await hold()
      await seedArtifact(store(), run, { a: 'two' }, { onConflict: 'replace', ...late })
      expect(await store().findArtifact(held.id)).toMatchObject({ removedReason: 'replaced' })
    })

    test('a deleted artifact does not take its name back from one that seems expired', async () => {
      const { run, held } = await hold()
      const removal = { state: 'deleted', reason: 'test', now: 2_100, undoMs: 2 * year } as const
      await store().removeArtifacts([held.id], removal)
      const holder = await seedArtifact(store(), run, { a: 'two' }, { expiresAt: year - 1 })
      const restored = store().restoreArtifact(held.id, year - 1)
      await expect(restored).rejects.toMatchObject({ code: 'name_taken' })
      expect(await liveArtifacts()).toEqual([holder])
    })
  })

  test('repeating an upload returns the existing artifact', async () => {
    const run = await seedRun(store())
    const first = await seedArtifact(store(), run, { a: 'one' })
    const { session, manifestId } = await stage(run, { a: 'one' })
    const wanted = newArtifact(run, manifestId, { onConflict: 'same', createdAt: 2_500 })
    const answer = await store().commitArtifact(session, wanted)
    expect(answer).toEqual({ artifact: first, created: false })
    expect(await store().listSessions(Infinity, 10)).toEqual([])
  })

  test('repeating the upload of a kept artifact with damage replaces it by one that is kept', async () => {
    const run = await seedRun(store())
    const held = await seedArtifact(store(), run, { a: 'one' })
    await store().setRetention(held.id, { pinned: true })
    const { session, manifestId } = await stage(run, { a: 'one' })
    await store().markDamaged((await store.findBlob(digestOf('one')))!.copy!)
    const wanted = newArtifact(run, manifestId, { onConflict: 'same' })
    const { artifact } = await store().commitArtifact(session, wanted)
    expect(artifact).toMatchObject({ pinned: true })
    expect(artifact.id).not.toBe(held.id)
    await store().expireArtifacts(artifact.expiresAt, 10)
    expect((await liveArtifacts()).map(({ id }) => id)).toEqual([artifact.id])
  })

  test.each<[string, Record<string, string>, Parameters<typeof newArtifact>[2]]>([
    ['job', { a: 'one' }, { job: 'other' }],
    ['kind', { a: 'one' }, { kind: 'exact' }],
    ['tree', { a: 'two' }, {}],
  ])(
    'an upload with another %s under the same name is not a repetition',
    async (_what, files, changes) => {
      const run = await seedRun(store())
      await seedArtifact(store(), run, { a: 'one' })
      const { session, manifestId } = await stage(run, files)
      const wanted = newArtifact(run, manifestId, { onConflict: 'same', ...changes })
      const refused = { code: 'name_taken' }
      await expect(store().commitArtifact(session, wanted)).rejects.toMatchObject(refused)
    },
  )

  test('a commit whose upload is gone publishes nothing', async () => {
    const run = await seedRun(store())
    const { session, manifestId } = await stage(run, { a: 'one' })
    const wanted = newArtifact(run, manifestId, { uploadId: 'gone' })
    const refused = { code: 'not_found' }
    await expect(store().commitArtifact(session, wanted)).rejects.toMatchObject(refused)
    expect(await liveArtifacts()).toEqual([])
    expect(await store().figures()).toMatchObject({ artifacts: 0, files: 0, logicalBytes: 0 })
  })

  test('a commit finishes its upload', async () => {
    const run = await seedRun(store())
    const { upload } = await store().createUpload({
      id: 'u1',
      runId: run.id,
      job: 'build',
      name: parseArtifactName('dist'),
      mimeType: null,
      requestedExpiresAt: null,
      now: 1_000,
      takeoverMs: 1,
      onConflict: 'reject',
    })
    const artifact = await seedArtifact(store(), run, { a: 'one' }, { uploadId: upload.id })
    const done = { state: 'done', artifactId: artifact.id }
    expect(await store().findUpload(upload.id)).toMatchObject(done)
  })

  test('files whose blobs the session has not leased cannot be staged', async () => {
    const run = await seedRun(store())
    await addContents(store(), await openSession(store(), run), ['sent by another session'])
    const session = await openSession(store(), run)
    for (const content of ['never sent', 'sent by another session']) {
      const staged = stageEntries(store(), session, [fileEntry('a', content)])
      await expect(staged).rejects.toMatchObject({ code: 'not_found' })
    }
  })

  test('a manifest begun anew takes no file from an equal one of the project, which its artifact then uses', async () => {
    const run = await seedRun(store())
    const first = await seedArtifact(store(), run, { a: 'one' })
    const entries = entriesOf({ a: 'one' })
    const { treeDigest } = first
    const summary = { treeDigest, entryCount: 1, fileCount: 1, logicalBytes: 3 }
    const session = await openSession(store(), run)
    const stage = async (): Promise<number> => {
      const manifestId = await store().stageNewManifest(session, summary)
      await store().stageManifestPage(session, manifestId, 0, entries)
      return manifestId
    }
    await expect(stage()).rejects.toMatchObject({ code: 'not_found' })
    await addContents(store(), session, ['one'])
    const wanted = newArtifact(run, await stage(), { name: 'second' })
    const { artifact } = await store().commitArtifact(session, wanted)
    expect(artifact).toMatchObject({ treeDigest, manifestId: first.manifestId })
  })

  test('pages that are out of order, too long or staged by another session are bugs', async () => {
    const run = await seedRun(store())
    const [session, other] = [await openSession(store(), run), await openSession(store(), run)]
    const treeDigest = digestOf('tree')
    const summary = { treeDigest, entryCount: 600, fileCount: 0, logicalBytes: 0 }
    const { manifestId } = await store().stageManifest(session, summary)
    const directories = Array.from({ length: 600 }, (_, index): Entry => {
      const { path, mode } = fileEntry(`d${1000 + index}`, '')
      return { kind: 'directory', path, mode }
    })
    const add = (name: string, page: number, entries: Entry[]): Promise<unknown> =>
      store().stageManifestPage(name, manifestId, page, entries)
    await expect(add(session, 1, directories.slice(0, 1))).rejects.toThrow('in order')
    await expect(add(session, 0, directories)).rejects.toThrow('1 to 512 entries')
    await expect(add(session, 0, [])).rejects.toThrow('1 to 512 entries')
    await expect(add(other, 0, directories.slice(0, 1))).rejects.toThrow('not staged by this')
    await expect(add(session, 0, directories.slice(0, 2).toReversed())).rejects.toThrow('order')
    await add(session, 0, directories.slice(88, 600))
    await expect(add(session, 1, directories.slice(0, 88))).rejects.toThrow('order')
    await expect(store().commitArtifact(session, newArtifact(run, manifestId))).rejects.toThrow(
      'incomplete',
    )
  })

  test('a manifest or a run of another project cannot be committed', async () => {
    const [run, foreign] = [await seedRun(store()), await seedRun(store(), { project: 'x/y' })]
    const { session, manifestId } = await stage(run, { a: 'one' })
    const other = await openSession(store(), run)
    const wanted = newArtifact(run, manifestId)
    await expect(store().commitArtifact(other, wanted)).rejects.toThrow(
      'is not staged by the session',
    )
    const elsewhere = newArtifact(foreign, manifestId)
    await expect(store().commitArtifact(session, elsewhere)).rejects.toThrow('not in the project')
  })
}
