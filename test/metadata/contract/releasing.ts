import { expect, test } from 'vitest'
import type { Store } from '../metadata-contract.ts'
import { seedArtifact, seedRun } from '../seed.ts'
import { releaseAll, sweepBlobs } from '../sweep-all.ts'

/** What becomes of removed artifacts: their rows are released, and their tombstones purged. */
export function releasingContract(store: Store): void {
  test('a read lease ends at its own time or when it is closed, and renewing it never shortens it', async () => {
    const run = await seedRun(store())
    const { id } = await seedArtifact(store(), run, { a: 'a' })
    const open = async (): Promise<number> =>
      (await store().openReadLeases([id], 2_300, 100)).leases[0]!
    const [renewed, closed, left] = [await open(), await open(), await open()]
    const live = async (now: number): Promise<number[]> =>
      (await store().listReadLeases(now, 10)).toSorted((a, b) => a - b)
    expect(await live(2_399)).toEqual([renewed, closed, left])
    await store().renewReadLeases([renewed], 2_900)
    await store().renewReadLeases([renewed], 2_600)
    await store().closeReadLeases([closed])
    expect(await live(2_399)).toEqual([renewed, left])
    expect(await live(2_400)).toEqual([renewed])
    expect(await live(2_899)).toEqual([renewed])
    expect(await live(2_900)).toEqual([])
  })

  test('removed artifacts that are being read are named page by page, and the rest is released', async () => {
    const run = await seedRun(store())
    const ids: number[] = []
    for (const name of ['a', 'b', 'c'])
      ids.push((await seedArtifact(store(), run, { a: name }, { name })).id)
    await store().openReadLeases([ids[0]!, ids[1]!], 2_300, 1_000)
    const removal = { state: 'deleted', reason: 'test', now: 2_400, undoMs: 50 } as const
    await store().removeArtifacts(ids, removal)
    const waits: number[] = []
    let released = 0
    let after: { at: number; id: number } | null = { at: -1, id: 0 }
    for (let page = 0; page < 5 && after !== null; page++) {
      const next = await store().releaseRemoved(2_500, 2_500, { after, limit: 1 })
      waits.push(...next.waiting)
      released += next.released
      after = next.last
    }
    expect({ waits, released, after }).toEqual({ waits: ids.slice(0, 2), released: 1, after: null })
  })

  // Goal: equal trees are one manifest, which the end of one artifact does not take from another
  // that somebody still gets back.
  test.each([
    { ends: 'expires', end: { state: 'expired', reason: 'retention', now: 2_500 } },
    { ends: 'is deleted for good', end: { state: 'deleted', reason: 'test', now: 2_500 } },
  ] as const)('an artifact can be restored after an equal one $ends', async ({ end }) => {
    const run = await seedRun(store())
    const [undone, ended] = [
      await seedArtifact(store(), run, { a: 'a' }, { name: 'undone' }),
      await seedArtifact(store(), run, { a: 'a' }, { name: 'ended' }),
    ]
    const removal = { state: 'deleted', reason: 'test', now: 2_400, undoMs: 1_000 } as const
    await store().removeArtifacts([undone.id], removal)
    await store().removeArtifacts([ended.id], end)
    await releaseAll(store(), 2_600)
    await sweepBlobs(store())
    await store().restoreArtifact(undone.id, 2_700)
    expect((await store().readEntryPage(undone.id, 0))?.entries).toHaveLength(1)
  })

  // Rows of a tombstone that is purged too early have no owner by which anybody finds them.
  test('a tombstone is purged once its removal is old and final, its rows are gone and no lease names it', async () => {
    const run = await seedRun(store())
    const seed = async (name: string, a = 'same', expiresAt = 9_000): Promise<number> =>
      (await seedArtifact(store(), run, { a }, { name, expiresAt })).id
    const end = { state: 'deleted', reason: 'test', now: 2_400 } as const
    const [live, undoable] = [await seed('live', 'x'), await seed('undoable', 'y')]
    const [old, late, read] = [await seed('old'), await seed('late'), await seed('read')]
    const uncleared = await seed('uncleared', 'same', 2_500)
    const { leases } = await store().openReadLeases([read], 2_300, 150)
    await store().removeArtifacts([old, read], end)
    await store().removeArtifacts([late], { ...end, now: 2_501 })
    await store().removeArtifacts([undoable], { ...end, undoMs: 1_000 })
    await releaseAll(store(), 2_500)
    while (await store().clearRemoved(100)) continue
    expect(await store().expireArtifacts(2_500, 10)).toBe(1)

    const purged = async (): Promise<number[]> => {
      await store().purgeTombstones(2_500, 10)
      const ids = [live, old, late, undoable, read, uncleared]
      const found = await Promise.all(ids.map((id) => store().findArtifact(id)))
      return ids.filter((_, index) => found[index] === undefined)
    }
    expect(await purged()).toEqual([old])
    while (await store().clearRemoved(100)) continue
    expect(await purged()).toEqual([old, uncleared])
    await store().closeReadLeases(leases)
    expect(await purged()).toEqual([old, read, uncleared])
    expect((await store().readEntryPage(live, 0))?.entries).toHaveLength(1)
  })
}
