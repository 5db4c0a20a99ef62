import { expect, test } from 'vitest'
import type { ArtifactSort } from '../../../src/core/manifest/artifact-order.ts'
import { limits } from '../../../src/core/limits.ts'
import type { Artifact, ArtifactFilter } from '../../../src/metadata/metadata.ts'
import type { Store } from '../metadata-contract.ts'
import { openSession, seedArtifact, seedRun } from '../seed.ts'

export function listingContract(store: Store): void {
  /** Names of the artifacts listed at `now`, in order. */
  const list = async (
    filter: ArtifactFilter,
    { sort = 'oldest', now = 3_000 }: { sort?: ArtifactSort; now?: number } = {},
  ): Promise<string[]> => {
    const page = { limit: 100, offset: 0, sort, now }
    const { artifacts, total } = await store().listArtifacts(filter, page)
    expect(total).toBe(artifacts.length)
    const newest = Math.max(...artifacts.map(({ id }) => id))
    expect(await store().findNewest(filter, now)).toEqual(artifacts.find(({ id }) => id === newest))
    return artifacts.map((artifact) => artifact.name)
  }
  const seed = async (
    name: string,
    run: Parameters<typeof seedRun>[1] = {},
    options: Parameters<typeof seedArtifact>[3] = {},
    files: Record<string, string> = { a: name },
  ): Promise<Artifact> =>
    await seedArtifact(store(), await seedRun(store(), run), files, { ...options, name })

  test('every filter works alone and combined with others', async () => {
    const one = await seed('one', { number: 1, branch: 'main' })
    const two = await seed('two', { number: 1, attempt: 2, branch: 'dev' })
    const three = await seed('three', { number: 2, branch: 'main' })
    const other = await seed('one', { project: 'other/repo', number: 1 })
    const { projectId } = one
    expect(await list({})).toEqual(['one', 'two', 'three', 'one'])
    expect(await list({ projectId })).toEqual(['one', 'two', 'three'])
    expect(await list({ projectId: 99 })).toEqual([])
    expect(await list({ run: 1 })).toEqual(['one', 'two', 'one'])
    expect(await list({ projectId, run: 1 })).toEqual(['one', 'two'])
    expect(await list({ projectId, run: 1, attempt: 2 })).toEqual(['two'])
    expect(await list({ attempt: 2 })).toEqual(['two'])
    expect(await list({ name: 'one' })).toEqual(['one', 'one'])
    expect(await list({ projectId, name: 'one' })).toEqual(['one'])
    expect(await list({ name: 'on' })).toEqual([])
    expect(await list({ branch: 'main' })).toEqual(['one', 'three'])
    expect(await list({ projectId, branch: 'main', name: 'three' })).toEqual(['three'])
    expect(await list({ ids: [two.id, other.id, 999] })).toEqual(['two', 'one'])
    expect(await list({ ids: [two.id, three.id], branch: 'dev' })).toEqual(['two'])
    expect(await list({ ids: [] })).toEqual([])
  })

  test('every sort order is total, with ties broken by id', async () => {
    await seed('b', {}, { expiresAt: 30_000 }, { a: '12' })
    await seed('a', {}, { expiresAt: 20_000 }, { a: '123' })
    await seed('c', {}, { expiresAt: 20_000 }, { a: '12' })
    expect(await list({}, { sort: 'newest' })).toEqual(['c', 'a', 'b'])
    expect(await list({}, { sort: 'oldest' })).toEqual(['b', 'a', 'c'])
    expect(await list({}, { sort: 'largest' })).toEqual(['a', 'c', 'b'])
    expect(await list({}, { sort: 'expiring' })).toEqual(['a', 'c', 'b'])
  })

  test('consecutive pages make up the list, and each knows the total', async () => {
    for (const name of ['1', '2', '3', '4', '5']) await seed(name)
    const page = async (offset: number): Promise<[string[], number]> => {
      const options = { limit: 2, offset, sort: 'newest', now: 3_000 } as const
      const { artifacts, total } = await store().listArtifacts({}, options)
      return [artifacts.map((artifact) => artifact.name), total]
    }
    expect(await page(0)).toEqual([['5', '4'], 5])
    expect(await page(2)).toEqual([['3', '2'], 5])
    expect(await page(4)).toEqual([['1'], 5])
    expect(await page(6)).toEqual([[], 5])
  })

  // Whoever walks a list page by page takes one that is not full for the last.
  test('a page is full although one of its artifacts is removed while it is read', async () => {
    const names = ['a', 'b', 'c', 'd']
    const artifacts: Artifact[] = []
    for (const name of names) artifacts.push(await seed(name))
    const reason = { state: 'deleted', reason: 'deleted', now: 3_000, undoMs: 0 } as const
    for (const sort of ['newest', 'largest'] as const) {
      const page = { limit: 2, offset: 0, sort, now: 3_000 }
      const [first] = await store().findArtifacts({}, page)
      const [found] = await Promise.all([
        store().findArtifacts({}, page),
        store().removeArtifacts([first!.id], reason),
      ])
      expect(found).toHaveLength(2)
    }
  })

  test('names sort by the numbers in them', async () => {
    const names = ['log', 'shard-1', 'shard-2', 'shard-010', 'shard-10', 'shard-10b', 'shard-100']
    for (const name of names.toReversed()) await seed(name)
    const found: string[] = []
    for (let offset = 0; offset < names.length; offset += 2) {
      const page = { limit: 2, offset, sort: 'name', now: 3_000 } as const
      found.push(...(await store().findArtifacts({}, page)).map(({ name }) => name))
    }
    expect(found).toEqual(names)
  })

  test('an expired artifact is not listed from that millisecond on, whatever its row says', async () => {
    await seed('short', {}, { expiresAt: 5_000 })
    await seed('long', {}, { expiresAt: 9_000 })
    expect(await list({}, { now: 4_999 })).toEqual(['short', 'long'])
    expect(await list({}, { now: 5_000 })).toEqual(['long'])
    expect(await list({ state: 'available' }, { now: 5_000 })).toEqual(['long'])
    expect(await list({ state: 'expired' }, { now: 5_000 })).toEqual(['short'])
    expect(await list({ state: 'any' }, { now: 5_000 })).toEqual(['short', 'long'])
  })

  test('removed artifacts are listed by their state', async () => {
    const [gone, over] = [await seed('gone'), await seed('over')]
    await seed('here')
    const removal = { reason: 'test', now: 2_500 }
    await store().removeArtifacts([gone.id], { ...removal, state: 'deleted' })
    await store().removeArtifacts([over.id], { ...removal, state: 'expired' })
    expect(await list({})).toEqual(['here'])
    expect(await list({ state: 'deleted' })).toEqual(['gone'])
    expect(await list({ state: 'expired' })).toEqual(['over'])
    expect(await list({ state: 'damaged' })).toEqual([])
    expect(await list({ state: 'any' })).toEqual(['gone', 'over', 'here'])
  })

  test('a pinned artifact does not expire until it is unpinned', async () => {
    const { id } = await seed('kept', {}, { expiresAt: 5_000 })
    await store().setRetention(id, { pinned: true })
    expect(await store().findArtifact(id)).toMatchObject({ pinned: true, expiresAt: 5_000 })
    expect(await list({}, { now: 6_000 })).toEqual(['kept'])
    expect(await store().expireArtifacts(6_000, 10)).toBe(0)
    await store().setRetention(id, { pinned: false })
    expect(await list({}, { now: 6_000 })).toEqual([])
    expect(await store().expireArtifacts(6_000, 10)).toBe(1)
  })

  test('an expiry can be changed, also while pinned', async () => {
    const { id } = await seed('moved', {}, { expiresAt: 5_000 })
    await store().setRetention(id, { expiresAt: 8_000 })
    expect(await list({}, { now: 7_999 })).toEqual(['moved'])
    await store().setRetention(id, { pinned: true })
    await store().setRetention(id, { expiresAt: 4_000 })
    expect(await list({}, { now: 7_999 })).toEqual(['moved'])
    await store().setRetention(id, { pinned: false })
    expect(await list({}, { now: 4_000 })).toEqual([])
  })

  test('a change of retention for many artifacts applies to those that are live and unexpired', async () => {
    const live: number[] = []
    for (let count = 0; count < 120; count++)
      live.push((await seed(`live-${count}`, {}, { expiresAt: 9_000 })).id)
    const over = await seed('over', {}, { expiresAt: 5_000 })
    const gone = await seed('gone')
    await store().removeArtifacts([gone.id], { state: 'deleted', reason: 'test', now: 2_500 })
    const asked = [over.id, ...live, gone.id, gone.id + 1]
    expect(await store().setRetentionOfMany(asked, { pinned: true }, 5_000)).toEqual(live)
    expect(await store().findArtifact(live[119]!)).toMatchObject({ pinned: true, expiresAt: 9_000 })
    expect(await store().findArtifact(over.id)).toMatchObject({ pinned: false })
    const change = { pinned: false, expiresAt: 7_000 }
    expect(await store().setRetentionOfMany(live.slice(60), change, 8_000)).toHaveLength(60)
    expect(await list({}, { now: 8_000 })).toHaveLength(60)
  })

  test('changing the retention of an artifact that does not exist is an error', async () => {
    const { id } = await seed('gone')
    await store().removeArtifacts([id], { state: 'deleted', reason: 'test', now: 2_500 })
    const refused = { code: 'artifact_not_found' }
    for (const unknown of [id, id + 1]) {
      const change = store().setRetention(unknown, { pinned: true })
      await expect(change).rejects.toMatchObject(refused)
    }
  })

  test('artifacts expire once their time has passed, oldest first, up to the limit', async () => {
    await seed('b', {}, { expiresAt: 6_000 })
    await seed('a', {}, { expiresAt: 5_000 })
    await seed('c', {}, { expiresAt: 7_000 })
    expect(await store().expireArtifacts(4_999, 10)).toBe(0)
    expect(await store().expireArtifacts(9_000, 2)).toBe(2)
    expect(await list({}, { now: 4_000 })).toEqual(['c'])
    expect(await store().expireArtifacts(9_000, 2)).toBe(1)
  })

  test('a removal happens once and records its reason', async () => {
    const { id } = await seed('gone')
    const removal = { state: 'deleted', reason: 'by hand', now: 2_500 } as const
    expect(await store().removeArtifacts([id], removal)).toEqual([id])
    expect(await store().removeArtifacts([id], { ...removal, reason: 'again' })).toEqual([])
    expect(await store().removeArtifacts([id + 1], removal)).toEqual([])
    expect(await store().findArtifact(id)).toMatchObject({
      name: 'gone',
      state: 'deleted',
      removedAt: 2_500,
      removedReason: 'by hand',
      entryCount: 1,
      logicalBytes: 4,
    })
    // The name is free again.
    await seed('gone')
  })

  test('an upload in progress is not an artifact', async () => {
    const run = await seedRun(store())
    await store().openSession({ projectId: run.projectId, now: 1, leaseMs: limits.leaseMs })
    await openSession(store(), run)
    expect(await list({ state: 'any' })).toEqual([])
  })
}
