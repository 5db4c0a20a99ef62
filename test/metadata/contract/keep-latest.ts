import { expect, test } from 'vitest'
import { formerLatestMs } from '../../../src/core/policy/keep-latest.ts'
import { dayMs } from '../../../src/core/units.ts'
import type { Artifact } from '../../../src/metadata/metadata.ts'
import type { Store } from '../metadata-contract.ts'
import { seedArtifact, seedRun } from '../seed.ts'

export function keepLatestContract(store: Store): void {
  let serial = 0
  /** Creates an artifact of a run of its own that expires a day after `now`. */
  const make = async (
    now: number,
    run: Parameters<typeof seedRun>[1] = {},
    name = 'build',
  ): Promise<Artifact> => {
    serial += 1
    const made = await seedRun(store(), { number: serial, branch: 'main', ...run })
    const times = { createdAt: now, now, expiresAt: now + dayMs }
    return await seedArtifact(store(), made, { a: `content ${serial}` }, { name, ...times })
  }
  const keep = async (patterns: string[] | null, now = 0): Promise<void> => {
    const { projectId } = await seedRun(store())
    await store().setProjectPolicy(projectId, { keepLatest: patterns }, now)
  }
  /** Ids of the artifacts still listed long after everything that is not kept has expired. */
  const kept = async (now = 1000 * dayMs): Promise<number[]> => {
    const page = { limit: 100, offset: 0, sort: 'oldest', now } as const
    return (await store().listArtifacts({}, page)).artifacts.map(({ id }) => id)
  }
  const remove = async (id: number, now: number): Promise<void> => {
    const removal = { state: 'deleted', reason: 'deleted', now, undoMs: dayMs } as const
    expect(await store().removeArtifacts([id], removal)).toEqual([id])
  }

  test('the latest of its name on its branch does not expire, and its predecessor does', async () => {
    await keep(['main/build'])
    const first = await make(0)
    expect(first).toMatchObject({ keptLatest: true, expiresAt: dayMs })
    expect(await kept()).toEqual([first.id])
    expect(await store().expireArtifacts(1000 * dayMs, 10)).toBe(0)

    const second = await make(900 * dayMs)
    expect(await kept()).toEqual([second.id])
    // Whoever has just found the predecessor can finish reading it.
    const until = 900 * dayMs + formerLatestMs
    expect(await store().findArtifact(first.id)).toMatchObject({
      keptLatest: false,
      expiresAt: until,
    })
    expect(await kept(until - 1)).toEqual([first.id, second.id])
    expect(await store().expireArtifacts(until, 10)).toBe(1)
  })

  test('a later expiry of the predecessor still applies', async () => {
    await keep(['main/build'])
    const first = await make(0)
    await store().setRetention(first.id, { expiresAt: 50 * dayMs })
    await make(1)
    expect(await store().findArtifact(first.id)).toMatchObject({ expiresAt: 50 * dayMs })
  })

  test('patterns select branches and names; other artifacts, and runs without a branch, expire', async () => {
    await keep(['main/*', 'release/*/dist'])
    const expected = [
      (await make(0, { branch: 'main' }, 'build')).id,
      (await make(0, { branch: 'main' }, 'docs')).id,
      (await make(0, { branch: 'release/1' }, 'dist')).id,
      (await make(0, { branch: 'release/2' }, 'dist')).id,
    ]
    await make(0, { branch: 'release/1' }, 'docs')
    await make(0, { branch: 'topic' }, 'build')
    const branchless = { project: 'acme/app', number: 1000 }
    await seedArtifact(store(), await seedRun(store(), branchless), { a: 'b' }, { expiresAt: 5 })
    expect(await kept()).toEqual(expected)
  })

  test('projects are independent', async () => {
    await keep(['main/build'])
    const ours = await make(0)
    const theirs = await make(0, { project: 'other/app' })
    expect(theirs.keptLatest).toBe(false)
    expect(await kept()).toEqual([ours.id])
  })

  test('an artifact of a pull request from a branch of that name is never the latest', async () => {
    await keep(['main/build'])
    const merged = await make(0)
    expect(await make(1, { event: 'pull_request' })).toMatchObject({ keptLatest: false })
    expect(await kept()).toEqual([merged.id])
  })

  test('facts that arrive later count for the artifacts of that run', async () => {
    await keep(['main/build'])
    const run = await seedRun(store(), { number: 70 })
    const early = await seedArtifact(store(), run, { a: 'early' }, { name: 'build' })
    expect(early.keptLatest).toBe(false)
    await make(0, { number: 71, branch: 'elsewhere' })
    await seedRun(store(), { number: 70, branch: 'main' })
    expect(await kept()).toEqual([early.id])
    await seedRun(store(), { number: 70, event: 'pull_request' })
    expect(await kept()).toEqual([])
  })

  test('when the latest is deleted, its predecessor becomes the latest again until the deletion is undone', async () => {
    await keep(['main/build'])
    const first = await make(0)
    const second = await make(1)
    await remove(second.id, 2)
    expect(await kept()).toEqual([first.id])
    await store().restoreArtifact(second.id, 3)
    expect(await kept()).toEqual([second.id])
    await remove(first.id, 4)
    expect(await kept()).toEqual([second.id])
  })

  test('an artifact that was kept when it was deleted can be restored, though its time has passed', async () => {
    await keep(['main/build'])
    const { id } = await make(0)
    await remove(id, 100 * dayMs)
    await store().restoreArtifact(id, 100 * dayMs + 1)
    expect(await kept()).toEqual([id])
  })

  test('replacing the latest does not affect its predecessor', async () => {
    await keep(['main/build'])
    const first = await make(0)
    const second = await make(1)
    const before = await store().findArtifact(first.id)
    const run = (await store().findRun(second.projectId, second.runNumber))!
    const replacing = { name: 'build', onConflict: 'replace', now: 3, createdAt: 3 } as const
    const third = await seedArtifact(store(), run, { a: 'third' }, replacing)
    expect(await kept()).toEqual([third.id])
    expect(await store().findArtifact(first.id)).toEqual(before)
  })

  test('setting, changing or clearing a rule applies to existing artifacts, but restores none', async () => {
    const expired = await make(0, {}, 'gone')
    const build = await make(10 * dayMs)
    const docs = await make(10 * dayMs, {}, 'docs')
    await keep(['main/*'], 10 * dayMs)
    expect(await store().findArtifact(expired.id)).toMatchObject({ keptLatest: false })
    expect(await kept()).toEqual([build.id, docs.id])
    await keep(['main/docs'], 11 * dayMs)
    expect(await kept()).toEqual([docs.id])
    await keep(null, 12 * dayMs)
    expect(await kept()).toEqual([])
  })

  test('pinning is independent of being kept as the latest', async () => {
    await keep(['main/build'])
    const first = await make(0)
    await store().setRetention(first.id, { pinned: true })
    await store().setRetention(first.id, { pinned: false, expiresAt: 5 })
    expect(await kept()).toEqual([first.id])
    await store().setRetention(first.id, { pinned: true })
    const second = await make(10)
    expect(await kept()).toEqual([first.id, second.id])
    await store().setRetention(first.id, { pinned: false })
    expect(await kept()).toEqual([second.id])
  })

  test("the server's rule applies to projects without one of their own, and is applied when it changes", async () => {
    await keep(['main/docs'])
    const build = await make(0)
    const docs = await make(0, {}, 'docs')
    const theirs = await make(0, { project: 'other/app' })
    await store().setKeepLatest(['main/build'], 1)
    expect(await kept()).toEqual([docs.id, theirs.id])
    await keep(null)
    expect(await kept()).toEqual([build.id, theirs.id])
    await keep([])
    expect(await kept()).toEqual([theirs.id])
    await store().setKeepLatest([], 2)
    expect(await kept()).toEqual([])
  })

  test('a rule is applied to more places than one step covers', async () => {
    const names = Array.from({ length: 130 }, (_, index) => `build-${index}`)
    for (const name of names) await make(0, {}, name)
    await keep(['main/*'])
    const { total } = await store().listArtifacts(
      { keptLatest: true },
      { limit: 1, offset: 0, sort: 'oldest', now: 1000 * dayMs },
    )
    expect(total).toBe(names.length)
  })
}
