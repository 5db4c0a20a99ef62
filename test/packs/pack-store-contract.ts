/** The contract of every pack store (`packs/pack-store.ts`), as tests that run for each
 *  implementation. */
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { PackName, PackStore, SealedPack } from '../../src/packs/pack-store.ts'

export interface PackStoreUnderTest {
  store: PackStore
  /** Opens the same place again, as a new process would. */
  reopen: () => Promise<PackStore>
  /** Removes the place itself; `store` is already closed. */
  dispose: () => Promise<void>
  /** Size at which an unsealed pack survives its process; smaller ones may be lost with it.
   *  Default: 1. */
  unsealedBytes?: number
}

const notFound = expect.objectContaining({ code: 'not_found' })
const damaged = expect.objectContaining({ code: 'blob_damaged' })
const unknownName = '0123456789abcdef0123456789abcdef'

export function packStoreContract(name: string, make: () => Promise<PackStoreUnderTest>): void {
  const opened: PackStoreUnderTest[] = []

  afterEach(async () => {
    for (const { store, dispose } of opened.splice(0)) {
      await store.close()
      await dispose()
    }
  })

  async function open(): Promise<PackStoreUnderTest> {
    const subject = await make()
    opened.push(subject)
    return subject
  }

  describe(`every pack store: ${name}`, () => {
    test('any slice of a sealed pack is that slice of what was written, in order', async () => {
      const { store } = await open()
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 8 }),
          fc.nat(),
          fc.nat(),
          async (writes, from, length) => {
            const whole = Buffer.concat(writes)
            const sealed = await write(store, writes)
            expect(sealed.sizeBytes).toBe(whole.length)
            const offset = from % (whole.length + 1)
            const lengthBytes = length % (whole.length - offset + 1)
            const slice = await store.read(sealed.name, offset, lengthBytes)
            const expected = whole.subarray(offset, offset + lengthBytes)
            expect(slice.equals(expected)).toBe(true)
            const into = Buffer.alloc(lengthBytes + 1)
            const again = await store.read(sealed.name, offset, lengthBytes, into)
            expect(again.equals(expected)).toBe(true)
          },
        ),
        { numRuns: 30 },
      )
    })

    test('written bytes may be reused as soon as the write resolves', async () => {
      const { store } = await open()
      const sink = await store.create()
      const bytes = Buffer.alloc(10)
      for (let turn = 0; turn < 5; turn++) await sink.write(bytes.fill(turn))
      const { name: pack } = await sink.seal()
      const expected = Buffer.concat([0, 1, 2, 3, 4].map((turn) => Buffer.alloc(10, turn)))
      expect(await store.read(pack, 0, 50)).toEqual(expected)
    })

    test('a large pack is read back whole, also after the store is reopened', async () => {
      const { store, reopen } = await open()
      const bytes = randomBytes(5_000_000)
      const sealed = await write(store, [bytes.subarray(0, 1), bytes.subarray(1)])
      expect((await store.read(sealed.name, 0, bytes.length)).equals(bytes)).toBe(true)
      const second = await reopen()
      expect((await second.read(sealed.name, 4_999_990, 10)).equals(bytes.subarray(-10))).toBe(true)
      await second.close()
    })

    test('names are 32 hex characters, and unique', async () => {
      const { store } = await open()
      const names = new Set<string>()
      for (let turn = 0; turn < 5; turn++) {
        const sealed = await write(store, [Buffer.from('x')])
        expect(sealed.name).toMatch(/^[0-9a-f]{32}$/)
        names.add(sealed.name)
      }
      expect(names.size).toBe(5)
    })

    test('an unsealed pack is neither read nor listed', async () => {
      const { store } = await open()
      const sink = await store.create()
      await sink.write(Buffer.from('not yet'))
      expect(await listed(store)).toEqual([])
      await expect(store.read(sink.name, 0, 1)).rejects.toEqual(notFound)
      const sealed = await sink.seal()
      expect(sealed).toEqual({ name: sink.name, sizeBytes: 7 })
      expect(await listed(store)).toEqual([sealed])
    })

    test('the list has every sealed pack once, with its size and time', async () => {
      const { store } = await open()
      const before = Date.now() - 5000
      const sealed: SealedPack[] = []
      for (let size = 0; size < 20; size++) sealed.push(await write(store, [Buffer.alloc(size)]))
      expect(await listed(store)).toEqual(sealed.toSorted(byName))
      for await (const { modifiedAt } of store.list()) {
        expect(modifiedAt).toBeGreaterThan(before)
        expect(modifiedAt).toBeLessThan(Date.now() + 5000)
      }
    })

    test('of the sealed packs, those that are chosen by name are listed', async () => {
      const { store } = await open()
      const sealed: SealedPack[] = []
      for (let size = 0; size < 20; size++) sealed.push(await write(store, [Buffer.alloc(size)]))
      const all = sealed.map(({ name }) => name).toSorted()
      const named: PackName[] = []
      for await (const names of store.names()) named.push(...names)
      expect(named).toEqual(all)
      const asked: PackName[] = []
      const wanted = new Set(all.slice(5, 8))
      const listing = store.list(async (names) => {
        asked.push(...names)
        return names.filter((name) => wanted.has(name))
      })
      const chosen: PackName[] = []
      for await (const { name } of listing) chosen.push(name)
      expect(chosen.toSorted()).toEqual([...wanted])
      expect(asked.toSorted()).toEqual(all)
    })

    test('an aborted pack is gone, also after a second abort', async () => {
      const { store } = await open()
      const sink = await store.create()
      await sink.write(Buffer.from('dropped'))
      await sink.abort()
      await sink.abort()
      expect(await listed(store)).toEqual([])
      expect(await store.removeUnsealed(Number.POSITIVE_INFINITY)).toBe(0)
      await expect(sink.write(Buffer.from('x'))).rejects.toThrow(sink.name)
      await expect(sink.seal()).rejects.toThrow(sink.name)
    })

    test('an abort after sealing leaves the pack unchanged', async () => {
      const { store } = await open()
      const sink = await store.create()
      await sink.write(Buffer.from('kept'))
      const { name: pack } = await sink.seal()
      await sink.abort()
      expect(await store.read(pack, 0, 4)).toEqual(Buffer.from('kept'))
    })

    test('an abort during a seal waits for it and leaves the pack unchanged', async () => {
      const { store } = await open()
      const sink = await store.create()
      await sink.write(Buffer.from('kept'))
      const sealing = sink.seal()
      await sink.abort()
      const { name: pack } = await sealing
      expect(await store.read(pack, 0, 4)).toEqual(Buffer.from('kept'))
    })

    test('a pack is sealed once and accepts nothing afterwards', async () => {
      const { store } = await open()
      const sink = await store.create()
      await sink.write(Buffer.from('all'))
      const sealing = sink.seal()
      await expect(sink.seal()).rejects.toThrow(/which is sealing/)
      await expect(sink.write(Buffer.from('more'))).rejects.toThrow(/which is sealing/)
      await sealing
      await expect(sink.seal()).rejects.toThrow(sink.name)
      await expect(sink.write(Buffer.from('more'))).rejects.toThrow(sink.name)
      expect(await listed(store)).toEqual([{ name: sink.name, sizeBytes: 3 }])
    })

    test('an unknown pack is not found', async () => {
      const { store } = await open()
      for (const lengthBytes of [1, 0])
        await expect(store.read(unknownName, 0, lengthBytes)).rejects.toEqual(notFound)
    })

    test('an invalid name is rejected before it becomes part of a path', async () => {
      const { store } = await open()
      for (const bad of ['', '../../etc/passwd', unknownName.toUpperCase(), `${unknownName}0`]) {
        await expect(store.read(bad, 0, 1)).rejects.toThrow(/32 hex/)
        await expect(store.remove(bad)).rejects.toThrow(/32 hex/)
        await expect(store.create(bad)).rejects.toThrow(/32 hex/)
        if (store.linkTo) await expect(store.linkTo(bad, 'alias')).rejects.toThrow(/32 hex/)
      }
    })

    test('a slice before the beginning is a bug of the caller', async () => {
      const { store } = await open()
      const { name: pack } = await write(store, [Buffer.from('0123456789')])
      await expect(store.read(pack, -1, 1)).rejects.toThrow(/must not be negative/)
      await expect(store.read(pack, 0, -1)).rejects.toThrow(/must not be negative/)
    })

    test('a slice that reaches past the end is damage', async () => {
      const { store } = await open()
      const { name: pack } = await write(store, [Buffer.from('0123456789')])
      for (const [offset, length] of [
        [0, 11],
        [10, 1],
        [1_000_000, 5],
      ] as const) {
        await expect(store.read(pack, offset, length)).rejects.toEqual(damaged)
      }
      expect(await store.read(pack, 10, 0)).toEqual(Buffer.alloc(0))
    })

    test('a removed pack is gone, and removing it again is success', async () => {
      const { store, reopen } = await open()
      const { name: pack } = await write(store, [Buffer.from('bytes')])
      const kept = await write(store, [Buffer.from('others')])
      await store.read(pack, 0, 5)
      await store.remove(pack)
      await expect(store.read(pack, 0, 5)).rejects.toEqual(notFound)
      await store.remove(pack)
      await store.remove(unknownName)
      expect(await listed(store)).toEqual([kept])
      const second = await reopen()
      expect(await listed(second)).toEqual([kept])
      await second.close()
    })

    test('unsealed packs of a killed process are removed by age', async () => {
      const { store, reopen, unsealedBytes = 1 } = await open()
      const sealed = await write(store, [Buffer.from('sealed')])
      const sinks = [await store.create(), await store.create()]
      for (const sink of sinks) await sink.write(Buffer.alloc(unsealedBytes))
      const second = await reopen()
      expect(await second.removeUnsealed(Date.now() - 60_000)).toBe(0)
      expect(await second.removeUnsealed(Date.now() + 60_000)).toBe(2)
      expect(await second.removeUnsealed(Date.now() + 60_000)).toBe(0)
      expect(await listed(second)).toEqual([sealed])
      await second.close()
      for (const sink of sinks) {
        // Of a service, it may be an outage.
        await expect(sink.seal()).rejects.toMatchObject({
          code: expect.toBeOneOf(['not_found', 'busy']),
        })
        await sink.abort()
      }
      expect(await listed(store)).toEqual([sealed])
    })

    test('many concurrent packs are written and read without mixing', async () => {
      const { store } = await open()
      const contents = Array.from({ length: 100 }, (_, index) => randomBytes(1000 + index))
      const packs = await Promise.all(contents.map((bytes) => write(store, [bytes])))
      const reads = Array.from({ length: 400 }, async (_, turn) => {
        const index = (turn * 37) % 100
        const bytes = await store.read(packs[index]!.name, turn, 500)
        expect(bytes.equals(contents[index]!.subarray(turn, turn + 500))).toBe(true)
      })
      await Promise.all(reads)
    })

    test('reads in flight survive a removal and a close', async () => {
      const { store } = await open()
      const bytes = randomBytes(2_000_000)
      const first = await write(store, [bytes])
      const second = await write(store, [bytes])
      await store.read(first.name, 0, 1)
      const beforeRemoval = store.read(first.name, 0, bytes.length)
      const removal = store.remove(first.name)
      expect((await beforeRemoval).equals(bytes)).toBe(true)
      await removal
      const beforeClosing = store.read(second.name, 0, bytes.length)
      const closing = store.close()
      expect((await beforeClosing).equals(bytes)).toBe(true)
      await closing
      await expect(store.read(second.name, 0, 1)).rejects.toMatchObject({ code: 'shutting_down' })
    })
  })
}

async function write(store: PackStore, writes: Uint8Array[]): Promise<SealedPack> {
  const sink = await store.create()
  for (const bytes of writes) await sink.write(bytes)
  return await sink.seal()
}

async function listed(store: PackStore): Promise<SealedPack[]> {
  const packs: SealedPack[] = []
  for await (const { name, sizeBytes } of store.list()) packs.push({ name, sizeBytes })
  return packs.toSorted(byName)
}

function byName(a: { name: PackName }, b: { name: PackName }): number {
  return a.name < b.name ? -1 : 1
}
