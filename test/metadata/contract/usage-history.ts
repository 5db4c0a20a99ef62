import { expect, test } from 'vitest'
import { limits } from '../../../src/core/limits.ts'
import type { UsagePoint } from '../../../src/metadata/metadata.ts'
import type { Store } from '../metadata-contract.ts'
import { seedArtifact, seedRun } from '../seed.ts'

const hourMs = 60 * 60 * 1000
const dayMs = 24 * hourMs
const start = 1000 * dayMs

export function usageHistoryContract(store: Store): void {
  const record = async (now: number): Promise<void> => {
    for (let after: number | null = null; ;) {
      after = await store().recordUsage(now, { after, limit: 1 })
      if (after === null) return
    }
  }
  const logical = (points: UsagePoint[]): [number, number][] =>
    points.map(({ at, logicalBytes }) => [at, logicalBytes])

  test('a point covers an hour of the store or a day of a project, and the last record in it counts', async () => {
    const run = await seedRun(store())
    await seedArtifact(store(), run, { a: '12345' })
    await record(start + 10)
    await seedArtifact(store(), run, { b: '123' }, { name: 'second' })
    await record(start + 20)
    await seedArtifact(store(), run, { c: '12' }, { name: 'third' })
    await record(start + hourMs + 5)
    const whole = await store().listUsage(null, start)
    expect(logical(whole)).toEqual([
      [start + 20, 8],
      [start + hourMs + 5, 10],
    ])
    const { chunkBytes, storedBytes } = await store().figures()
    expect(whole.at(-1)).toMatchObject({ chunkBytes, storedBytes })
    expect(logical(await store().listUsage(run.projectId, start))).toEqual([
      [start + hourMs + 5, 10],
    ])
  })

  test('the last believed time is stored', async () => {
    expect(await store().believedTime()).toBe(null)
    await store().noteBelievedTime(start)
    await store().noteBelievedTime(start - 5)
    expect(await store().believedTime()).toBe(start - 5)
  })

  test('when it was created can be set', async () => {
    expect(await store().bornAt()).toBeLessThanOrEqual(Date.now())
    await store().setBornAt(Number.MAX_SAFE_INTEGER)
    expect(await store().bornAt()).toBe(Number.MAX_SAFE_INTEGER)
  })

  test('an hour without changes has no point, and a window begins with the point before it', async () => {
    const run = await seedRun(store())
    await seedArtifact(store(), run, { a: '12345' })
    for (let hour = 0; hour < 5; hour++) await record(start + hour * hourMs)
    expect(logical(await store().listUsage(null, start + 3 * hourMs))).toEqual([[start, 5]])
    expect(await store().listUsage(99, start)).toEqual([])
  })

  test('old hours are thinned to days, and points older than the history are deleted', async () => {
    const run = await seedRun(store())
    for (let hour = 0; hour < 30; hour++) {
      await seedArtifact(store(), run, { a: `${hour}` }, { name: `of hour ${hour}` })
      await record(start + hour * hourMs)
    }
    expect(await store().listUsage(null, start)).toHaveLength(30)
    await record(start + limits.usageHoursMs + 24 * hourMs)
    const thinned = await store().listUsage(null, start)
    // The last hour of the first day, then the hours of the second.
    expect(thinned[0]!.at).toBe(start + 23 * hourMs)
    expect(thinned).toHaveLength(7)
    await record(start + limits.usageHistoryMs + 40 * hourMs)
    // Current figures are recorded again, though unchanged.
    const now = start + limits.usageHistoryMs + 40 * hourMs
    expect((await store().listUsage(null, start)).map(({ at }) => at)).toEqual([now])
  })
}
