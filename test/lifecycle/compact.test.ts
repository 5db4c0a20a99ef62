/** What compaction writes: packs of a bounded size, each with figures of its own, at its pace. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { compactPacks, createPace } from '../../src/lifecycle/collect/compact.ts'
import { sweepBlobs } from '../../src/lifecycle/collect/sweep.ts'
import type { Metadata, PackOccupancy } from '../../src/metadata/metadata.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { openStore, type TestStore } from '../ingest/open-store.ts'
import { collectNow, planNow } from './collection.ts'
import { wholePacks } from './stored-bytes.ts'

/** The packs with live copies that were not among `before`. */
async function newPacks(
  metadata: Metadata,
  before: readonly PackOccupancy[],
): Promise<PackOccupancy[]> {
  const old = new Set(before.map(({ id }) => id))
  return (await wholePacks(metadata)).filter(({ id }) => !old.has(id))
}

test('a new pack ends at so many copies, and bytes are paced as they are read and written', async () => {
  const store = await openStore()
  const count = limits.packCopiesMax + 10
  const names = Array.from({ length: count }, (_, index) => String(index))
  await store.putTar('many', Object.fromEntries(names.map((name) => [name, name])))
  const before = await wholePacks(store.metadata)
  let pacedBytes = 0
  const done = await compactPacks(store.ports, before, async (bytes) => {
    pacedBytes += bytes
  })
  const after = await newPacks(store.metadata, before)
  expect(after).toMatchObject(
    [limits.packCopiesMax, 10].map((copies) => ({ copyCount: copies, liveCount: copies })),
  )
  for (const pack of after) expect(pack.copyBytes).toBe(pack.liveBytes)
  expect(done).toEqual({
    rewrittenPacks: before.length,
    writtenBytes: after.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  })
  expect(pacedBytes).toBe(2 * after.reduce((sum, { copyBytes }) => sum + copyBytes, 0))
})

test('copies that join and copies that do not get packs of their own', async () => {
  const store = await openStore()
  await store.putTar('tar', { joining: 'joining '.repeat(100) })
  const foreign = { name: 'foreign', content: 'foreign '.repeat(100) }
  await store.put('zip', 'zip', buildZip({ members: [foreign] }))
  const before = await wholePacks(store.metadata)
  await compactPacks(store.ports, before, createPace(null))
  const codecs: string[][] = []
  for (const { id } of await newPacks(store.metadata, before)) {
    const copies = await store.metadata.readPackCopies(id, { after: null, limit: 10 })
    codecs.push(copies.map(({ codec }) => codec))
  }
  expect(codecs).toHaveLength(2)
  for (const each of codecs) expect(new Set(each).size).toBe(1)
})

test('a compaction that is stopped leaves everything where it was', async () => {
  const store = await openStore()
  await store.putTar('tree', { a: 'alpha', b: 'beta' })
  const figures = await store.metadata.figures()
  const stop = new AbortController()
  const ports = { ...store.ports, signal: stop.signal }
  const compacting = compactPacks(ports, await wholePacks(store.metadata), async () => {
    stop.abort(new Error('the server stops'))
  })
  await expect(compacting).rejects.toThrow('the server stops')
  expect(await store.metadata.figures()).toEqual(figures)
  expect(await store.packs.removeUnsealed(Number.POSITIVE_INFINITY)).toBe(0)
})

/** Makes a pack of which only the first of these files stays alive. */
async function putPartlyDead(store: TestStore, shared: Buffer, alone: Buffer): Promise<void> {
  const first = await store.putTar('a', { shared, alone })
  await store.putTar('b', { shared })
  const removal = { state: 'deleted', reason: 'deleted', now: store.ports.now() } as const
  await store.metadata.removeArtifacts([first], removal)
}

test('a round asks for room for what it will write', async () => {
  const store = await openStore()
  await putPartlyDead(store, randomBytes(80_000), randomBytes(200_000))
  const asked: number[] = []
  const hasRoom = async (bytes: number): Promise<boolean> => {
    asked.push(bytes)
    return true
  }
  await collectNow(store.ports, { hasRoom })
  const [pack] = await wholePacks(store.metadata)
  expect(asked).toEqual([pack!.liveBytes])
})

test('a dry run counts a large pack that was partly dead before', async () => {
  const store = await openStore()
  await putPartlyDead(store, randomBytes(3_000_000), randomBytes(2_000_000))
  await sweepBlobs(store.ports)
  const plan = await planNow(store.ports)
  expect(plan).toMatchObject({ rewrittenPacks: 1, removedPacks: 0, waitingBytes: 0 })
  expect(plan.freedBytes).toBeGreaterThan(1_900_000)
})

test('a round that finds nothing to do reports nothing, nor does its dry run', async () => {
  const { ports } = await openStore()
  const nothing = {
    expired: 0,
    deletedArtifacts: 0,
    freedBytes: 0,
    waitingBytes: 0,
    waitingPacks: [],
    restorableBytes: 0,
    noRoomBytes: 0,
    removedBlobs: 0,
    removedPacks: 0,
    rewrittenPacks: 0,
  }
  expect(await planNow(ports)).toEqual(nothing)
  expect(await collectNow(ports)).toEqual(nothing)
})

test.each([
  ['all are', [3, 1, 0]],
  ['no more can be', [3, 1, 1]],
])('a round returns pages of the database until %s', async (_, answers) => {
  const { ports } = await openStore()
  const left = [...answers]
  const returnPages = async (): Promise<number> => {
    if (left.length === 0) throw new Error('asked again')
    return left.shift()!
  }
  await collectNow({ ...ports, metadata: { ...ports.metadata, returnPages } })
  expect(left).toEqual([])
})
