/** Moving packs to another place: wherever the move stops, every pack is complete in the current
 *  place. */
import { randomBytes } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { movePacks, removeMoved } from '../../src/lifecycle/move-packs.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { testDirectory } from '../temporary-directory.ts'

async function openPlace(): Promise<PackStore> {
  const store = await openLocalPackStore({ directory: testDirectory() })
  onTestFinished(() => store.close())
  return store
}

/** Fills the store with packs of more than one read each. */
async function fill(store: PackStore, count: number): Promise<Map<string, Buffer>> {
  const packs = new Map<string, Buffer>()
  for (let index = 0; index < count; index++) {
    const bytes = randomBytes(5_000_000 + index)
    const sink = await store.create()
    await sink.write(bytes)
    packs.set((await sink.seal()).name, bytes)
  }
  return packs
}

async function namesIn(store: PackStore): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list()) names.push(name)
  return names.toSorted()
}

async function expectAll(store: PackStore, packs: Map<string, Buffer>): Promise<void> {
  expect(await namesIn(store)).toEqual([...packs.keys()].toSorted())
  for (const [name, bytes] of packs)
    expect((await store.read(name, 0, bytes.length)).equals(bytes)).toBe(true)
}

const quiet = { onProgress: () => {}, signal: new AbortController().signal }

test('all packs are in the new place before the switch, and the old ones go after it', async () => {
  const [from, to] = [await openPlace(), await openPlace()]
  const packs = await fill(from, 3)
  const progress: number[] = []
  const report = await movePacks({
    ...quiet,
    from,
    to,
    onProgress: ({ doneBytes, totalBytes }) => progress.push(doneBytes / totalBytes),
    switchOver: async () => {
      await expectAll(to, packs)
      await expectAll(from, packs)
    },
  })
  const packBytes = [...packs.values()].reduce((sum, { length }) => sum + length, 0)
  expect(report).toEqual({ packs: 3, packBytes, packsThereBefore: 0 })
  expect(progress.at(-1)).toBe(1)
  await expectAll(from, packs)
  expect(await removeMoved({ ...quiet, from, to, isKnown: async () => true })).toBe(3)
  await expectAll(to, packs)
  expect(await namesIn(from)).toEqual([])
})

test('a move stopped after any pack resumes from there', async () => {
  const [from, to] = [await openPlace(), await openPlace()]
  const packs = await fill(from, 3)
  const stop = new AbortController()
  let moved = 0
  const stopped = movePacks({
    from,
    to,
    onProgress: () => {
      moved += 1
      if (moved === 2) stop.abort(new Error('stopped'))
    },
    switchOver: () => Promise.reject(new Error('too early')),
    signal: stop.signal,
  })
  await expect(stopped).rejects.toThrow('stopped')
  expect(await namesIn(to)).toHaveLength(2)
  await expectAll(from, packs)
  // As a move that was killed in the middle of a pack leaves it.
  const there = await namesIn(to)
  const half = await to.create([...packs.keys()].find((name) => !there.includes(name)))
  const report = await movePacks({ ...quiet, from, to, switchOver: async () => {} })
  await expect(half.seal()).rejects.toMatchObject({ code: 'not_found' })
  expect(report).toMatchObject({ packs: 3, packsThereBefore: 1 })
  await expectAll(to, packs)
})

test('a pack that was not read back before its move was killed does not count as moved', async () => {
  const [from, to] = [await openPlace(), await openPlace()]
  const packs = await fill(from, 2)
  const forgetful: PackStore = {
    ...to,
    create: async (name) => {
      const sink = await to.create(name)
      return { ...sink, write: async ({ length }) => await sink.write(Buffer.alloc(length)) }
    },
    read: () => Promise.reject(new Error('killed')),
  }
  const switchOver = async (): Promise<void> => {}
  const killed = movePacks({ ...quiet, from, to: forgetful, switchOver })
  await expect(killed).rejects.toThrow('killed')
  expect(await namesIn(to)).toHaveLength(1)
  await movePacks({ ...quiet, from, to, switchOver })
  await expectAll(to, packs)
})

test('the store does not switch to a place that does not return what was written', async () => {
  const [from, to] = [await openPlace(), await openPlace()]
  const packs = await fill(from, 1)
  const forgetful: PackStore = {
    ...to,
    read: async (name, offset, lengthBytes) => {
      const bytes = await to.read(name, offset, lengthBytes)
      bytes[0]! ^= 1
      return bytes
    },
  }
  let switched = 0
  const switchOver = async (): Promise<void> => {
    switched += 1
  }
  await expect(movePacks({ ...quiet, from, to: forgetful, switchOver })).rejects.toMatchObject({
    code: 'digest_mismatch',
  })
  expect(switched).toBe(0)
  expect(await namesIn(to)).toEqual([])
  await expectAll(from, packs)
})

test('an old place is emptied, and what the new one lacks goes there if it was not removed there', async () => {
  const [from, to] = [await openPlace(), await openPlace()]
  const packs = await fill(from, 2)
  await movePacks({ ...quiet, from, to, switchOver: async () => {} })
  const [lost, removed] = [...packs.keys()]
  for (const name of [lost!, removed!]) await to.remove(name)
  const isKnown = async (name: string): Promise<boolean> => name === lost
  expect(await removeMoved({ ...quiet, from, to, isKnown })).toBe(2)
  expect(await namesIn(from)).toEqual([])
  packs.delete(removed!)
  await expectAll(to, packs)
})

test('a pack that differs from the one in the new place stays, and neither replaces the other', async () => {
  const [from, to] = [await openPlace(), await openPlace()]
  const packs = await fill(from, 1)
  const [name, bytes] = [...packs][0]!
  const cut = await to.create(name)
  await cut.write(bytes.subarray(1))
  await cut.seal()
  await expect(
    removeMoved({ ...quiet, from, to, isKnown: async () => true }),
  ).rejects.toMatchObject({ code: 'blob_damaged' })
  await expectAll(from, packs)
  await expectAll(to, new Map([[name, bytes.subarray(1)]]))
})
