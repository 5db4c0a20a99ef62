/** Maintenance within its budget: how fast it may move bytes, and what it takes first. */
import SqliteDatabase from 'better-sqlite3'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createPace, type Pace } from '../../src/lifecycle/collect/compact.ts'
import { scrub } from '../../src/lifecycle/scrub/scrub.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { openStore, type TestStore } from '../ingest/open-store.ts'
import { collectInBackground, hour } from './collection.ts'
import { packPaths } from './stored-bytes.ts'

describe('a pace', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** Waits by the fake clock. */
  async function wait(ms = 0): Promise<undefined> {
    vi.advanceTimersByTime(ms)
  }

  /** How long it takes to move these amounts consecutively, in ms of the fake clock. */
  async function timeOf(pace: Pace, amounts: number[]): Promise<number> {
    const startedAt = performance.now()
    for (const bytes of amounts) await pace(bytes)
    return performance.now() - startedAt
  }

  test('keeps to its rate on average, in large and in small pieces', async () => {
    const second = 1000
    for (const amounts of [[1000], Array.from({ length: 1000 }, () => 1)]) {
      const took = await timeOf(createPace(1000, undefined, wait), [
        ...amounts,
        ...amounts,
        ...amounts,
      ])
      // Debts of less than 50 ms are carried over to the next call.
      expect(took).toBeGreaterThan(2.9 * second)
      expect(took).toBeLessThan(3.1 * second)
    }
  })

  test('accumulates no credit while nothing moves', async () => {
    const pace = createPace(1000, undefined, wait)
    await timeOf(pace, [1])
    vi.advanceTimersByTime(60_000)
    expect(await timeOf(pace, [2000])).toBeGreaterThan(1900)
  })

  test('waits no longer than it is wanted', async () => {
    const stop = new AbortController()
    const waiting = createPace(1, stop.signal)(1e9)
    stop.abort(new Error('the server stops'))
    await expect(waiting).rejects.toThrow('the server stops')
  })

  test('without a bound never waits', async () => {
    expect(await timeOf(createPace(null, undefined, wait), [1e12])).toBeLessThan(20)
  })
})

async function putNoise(store: TestStore, name: string): Promise<number> {
  const half = randomBytes(100_000)
  return await store.putTar(name, { half, [`other half of ${name}`]: randomBytes(100_000) })
}

describe('within a budget', () => {
  test('scrub takes the time allotted for what it reads', async () => {
    const store = await openStore()
    await putNoise(store, 'a')
    const startedAt = performance.now()
    const report = await scrub(store.ports, {
      olderThanMs: null,
      bytesPerSecond: 400_000,
      rollups: false,
    })
    expect(report.readBytes).toBeGreaterThan(200_000)
    expect(performance.now() - startedAt).toBeGreaterThan(400)
  })

  test('compaction takes the time allotted for what it reads and writes', async () => {
    const store = await openStore()
    // Half of the pack dies with the first of two artifacts, and a small part of it stays alive.
    const shared = randomBytes(80_000)
    const first = await store.putTar('a', { shared, alone: randomBytes(200_000) })
    await store.putTar('b', { shared })
    const removal = { state: 'deleted', reason: 'deleted', now: store.ports.now() } as const
    await store.metadata.removeArtifacts([first], removal)
    const startedAt = performance.now()
    const done = await collectInBackground(store.ports, { compactBytesPerSecond: 400_000 })
    expect(done.rewrittenPacks).toBe(1)
    expect(performance.now() - startedAt).toBeGreaterThan(300)
  })
})

test('scrub reads the least recently verified packs first, and none that are not due', async () => {
  const store = await openStore()
  for (const name of ['a', 'b', 'c', 'd', 'e']) await putNoise(store, name)
  const names = (await packPaths(join(store.directory, 'cas'))).map((path) => path.slice(-36, -4))
  const now = store.ports.now()
  // The clock was set back since the last pack was verified.
  const ages = [3 * hour, 9 * hour, hour, 6 * hour, -9 * hour]
  const database = new SqliteDatabase(join(store.directory, 'trove.db'))
  const set = database.prepare('UPDATE packs SET created_at = 1, verified_at = ? WHERE name = ?')
  for (const [index, name] of names.entries()) set.run(now - ages[index]!, name)
  database.close()
  const read: string[] = []
  const packs: PackStore = {
    ...store.packs,
    read: async (name, offset, lengthBytes) => {
      if (read.at(-1) !== name) read.push(name)
      return await store.packs.read(name, offset, lengthBytes)
    },
  }
  const due = { olderThanMs: 2 * hour, bytesPerSecond: null, rollups: false }
  expect(await scrub({ ...store.ports, packs }, due)).toMatchObject({ packs: 4, damagedCopies: 0 })
  expect(read).toEqual([names[1], names[3], names[0], names[4]])
  expect(await scrub(store.ports, due)).toMatchObject({ packs: 0 })
})
