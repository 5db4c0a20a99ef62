import { expect, test } from 'vitest'
import { digestOf } from '../../../src/core/bytes/digest.ts'
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

export function figuresContract(store: Store): void {
  test('an empty store has nothing', async () => {
    expect(await store().figures()).toEqual({
      artifacts: 0,
      damagedArtifacts: 0,
      files: 0,
      logicalBytes: 0,
      removedBytes: 0,
      uniqueBytes: 0,
      chunkBytes: 0,
      storedBytes: 0,
      packs: 0,
      liveBytes: 0,
    })
    const { projectId } = await seedRun(store())
    const none = { logicalBytes: 0, removedBytes: 0, uniqueBytes: 0, chunkBytes: 0 }
    const nothing = { artifacts: 0, files: 0, ...none }
    expect(await store().projectFigures(projectId)).toEqual(nothing)
  })

  test('a project that does not exist has no figures', async () => {
    const failure = store().projectFigures(99)
    await expect(failure).rejects.toMatchObject({ code: 'not_found' })
  })

  test('each figure counts what is kept at its level once', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    // 'aa' and 'bbb' are chunks of one file; 'bbb' is also a file of its own.
    const { pack, copies } = packOf([
      copyOf('aa', { lengthBytes: 10 }),
      copyOf('bbb', { lengthBytes: 20 }),
      copyOf('c', { lengthBytes: 5 }),
    ])
    await store().addPack(session, pack, copies)
    const { digest, sizeBytes, crc32 } = copyOf('aabbb').blob
    const parts = [digestOf('aa'), digestOf('bbb')]
    await store().addComposite(session, { digest, sizeBytes, crc32, parts })
    const files = { big: 'aabbb', copy: 'aabbb', part: 'bbb', small: 'c' }
    const { manifestId } = await stageEntries(store(), session, entriesOf(files))
    await store().commitArtifact(session, newArtifact(run, manifestId))
    const counted = { files: 4, logicalBytes: 14, removedBytes: 0, uniqueBytes: 9, chunkBytes: 6 }
    const { sizeBytes: storedBytes } = pack
    const whole = {
      ...counted,
      artifacts: 1,
      damagedArtifacts: 0,
      storedBytes,
      packs: 1,
      liveBytes: storedBytes,
    }
    expect(await store().figures()).toEqual(whole)
    expect(await store().projectFigures(run.projectId)).toEqual({ artifacts: 1, ...counted })

    await seedArtifact(store(), run, { part: 'bbb' }, { name: 'second' })
    expect(await store().figures()).toEqual({
      ...whole,
      artifacts: 2,
      files: 5,
      logicalBytes: 17,
    })
  })

  test('projects count their own artifacts, and chunks count in the project that first uploaded them', async () => {
    const [one, two] = [await seedRun(store()), await seedRun(store(), { project: 'b/b' })]
    await seedArtifact(store(), one, { a: 'shared', b: 'x' })
    const second = await seedArtifact(store(), two, { a: 'shared', b: 'yy', c: 'shared' })
    const figures = {
      artifacts: 1,
      files: 2,
      logicalBytes: 7,
      removedBytes: 0,
      uniqueBytes: 7,
      chunkBytes: 7,
    }
    expect(await store().projectFigures(one.projectId)).toEqual(figures)
    expect(await store().projectFigures(two.projectId)).toEqual({
      artifacts: 1,
      files: 3,
      logicalBytes: 14,
      removedBytes: 0,
      uniqueBytes: 8,
      chunkBytes: 2,
    })
    expect(await store().figures()).toMatchObject({ uniqueBytes: 9, chunkBytes: 9 })
    await store().removeArtifacts([second.id], { state: 'deleted', reason: 'test', now: 2_500 })
    const nothing = { artifacts: 0, files: 0, logicalBytes: 0, uniqueBytes: 0 }
    expect(await store().projectFigures(two.projectId)).toMatchObject(nothing)
    expect(await store().figures()).toMatchObject({ uniqueBytes: 7, logicalBytes: 7 })
  })

  test('a deleted artifact counts as removed until it is restored or released', async () => {
    const run = await seedRun(store())
    await seedArtifact(store(), run, { a: 'xyz' })
    const { id } = await seedArtifact(store(), run, { a: 'xyz', b: 'more' }, { name: 'second' })
    const figures = async (): Promise<object[]> => {
      const [whole, project] = [
        await store().figures(),
        await store().projectFigures(run.projectId),
      ]
      return [whole, project].map(({ logicalBytes, removedBytes, uniqueBytes }) => ({
        logicalBytes,
        removedBytes,
        uniqueBytes,
      }))
    }
    const twice = (counts: object): object[] => [counts, counts]
    const remove = async (undoMs: number): Promise<unknown> =>
      await store().removeArtifacts([id], { state: 'deleted', reason: 'test', now: 2_500, undoMs })
    const live = await figures()
    expect(live).toEqual(twice({ logicalBytes: 10, removedBytes: 0, uniqueBytes: 7 }))
    await remove(1_000)
    const removed = twice({ logicalBytes: 3, removedBytes: 7, uniqueBytes: 7 })
    expect(await figures()).toEqual(removed)
    await store().restoreArtifact(id, 3_000)
    expect(await figures()).toEqual(live)
    await remove(1_000)
    await store().releaseRemoved(3_500, 3_500, { after: { at: 0, id: 0 }, limit: 10 })
    await store().clearRemoved(100)
    const released = twice({ logicalBytes: 3, removedBytes: 0, uniqueBytes: 3 })
    expect(await figures()).toEqual(released)
  })

  test('a partly dead pack counts as partly alive, with its framing shared evenly', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    const { pack, copies } = packOf([
      copyOf('x', { lengthBytes: 10 }),
      copyOf('y', { lengthBytes: 30 }),
    ])
    await store().addPack(session, pack, copies)
    const { manifestId } = await stageEntries(store(), session, entriesOf({ a: 'y' }))
    await store().commitArtifact(session, newArtifact(run, manifestId))
    expect((await store().figures()).liveBytes).toBe(pack.sizeBytes)
    await sweepBlobs(store())
    // Two copies of 40 bytes and 200 bytes of framing.
    expect(await store().figures()).toMatchObject({ storedBytes: 240, liveBytes: 130 })
  })

  test('uploads in progress do not count in figures of artifacts, and neither does an aborted one', async () => {
    const run = await seedRun(store())
    await seedArtifact(store(), run, { a: 'x' })
    const before = await store().figures()
    const session = await openSession(store(), run)
    await addContents(store(), session, ['x', 'more'])
    await stageEntries(store(), session, entriesOf({ a: 'x', b: 'more' }))
    expect(await store().figures()).toMatchObject({ artifacts: 1, logicalBytes: 1, uniqueBytes: 1 })
    const { projectId } = run
    expect(await store().projectFigures(projectId)).toMatchObject({ files: 1, uniqueBytes: 1 })
    await store().abortSession(session)
    await sweepBlobs(store())
    const { storedBytes: _stored, packs: _packs, ...after } = await store().figures()
    expect(before).toMatchObject(after)
  })
}
