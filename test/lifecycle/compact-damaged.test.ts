/** How compaction treats bad bytes: it moves them unchanged, and affects nothing else. One bad read
 *  is not enough, because the old place is given up. */
import { readFile, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { unzipSync } from 'fflate'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { storeError } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { compactPacks, createPace } from '../../src/lifecycle/collect/compact.ts'
import type { PackedCopy, UnverifiedPack } from '../../src/metadata/metadata.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { memberNamePrefix } from '../../src/packs/format/member-names.ts'
import { pseudoRandom } from '../client/tree.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { openStore, type TestStore, zipOf } from '../ingest/open-store.ts'
import { flipByte, packPaths, spoil, wholePacks } from './stored-bytes.ts'

const largeContent = pseudoRandom(limits.compactReadBytes + 1, 'large')

test('a bad copy gets a member of its own, so that unzip can still read its former neighbours', async () => {
  const store = await openStore()
  const [first, bad, last] = ['alpha ', 'beta ', 'gamma '].map((word) => word.repeat(500))
  const id = await store.putTar('tree', { 0: first!, 1: bad!, 2: last! })
  const cas = join(store.directory, 'cas')
  await spoil(cas, encodeJoiningSync(Buffer.from(bad!), 6))
  const before = await packPaths(cas)
  await compactPacks(store.ports, await wholePacks(store.metadata), createPace(null))

  const [after] = (await packPaths(cas)).filter((path) => !before.includes(path))
  const badName = memberNamePrefix(digestOf(Buffer.from(bad!)))
  const names: string[] = []
  const unpacked = unzipSync(await readFile(after!), {
    filter: ({ name }) => {
      names.push(name)
      return name !== badName
    },
  })
  expect(names).toContain(badName)
  const contents = Object.values(unpacked).map((bytes) => Buffer.from(bytes).toString())
  expect(contents).toContain(first)
  expect(contents).toContain(last)
  expect((await store.metadata.findArtifact(id))?.state).toBe('damaged')
})

test('a copy too large to be read at once moves whole, bad or not, and stays when it cannot be read', async () => {
  const store = await openStore()
  const cas = join(store.directory, 'cas')
  const zip = buildZip({ members: [{ name: 'large', content: largeContent }] })
  const { artifact } = await store.put('stock', 'zip', zip)
  const stateNow = async (): Promise<string | undefined> =>
    (await store.metadata.findArtifact(artifact.id))?.state
  const largest = async (): Promise<{ pack: UnverifiedPack; copy: PackedCopy }> => {
    const found: { pack: UnverifiedPack; copy: PackedCopy }[] = []
    for (const pack of await wholePacks(store.metadata)) {
      const page = { after: null, limit: 100 }
      for (const copy of await store.metadata.readPackCopies(pack.id, page))
        found.push({ pack, copy })
    }
    return found.toSorted((a, b) => b.copy.lengthBytes - a.copy.lengthBytes)[0]!
  }
  const compact = async (): Promise<void> => {
    await compactPacks(store.ports, [(await largest()).pack], createPace(null))
  }
  const pathOf = async (name: string): Promise<string> =>
    (await packPaths(cas)).find((path) => path.includes(name))!

  const before = await largest()
  expect(before.copy.lengthBytes).toBeGreaterThan(limits.compactReadBytes)
  await compact()
  const moved = await largest()
  expect(moved.pack.name).not.toBe(before.pack.name)
  expect((await zipOf(store, artifact.id)).equals(zip)).toBe(true)
  expect(await stateNow()).toBe('available')

  await flipByte(await pathOf(moved.pack.name), moved.copy.offset + moved.copy.lengthBytes - 10)
  await compact()
  const bad = await largest()
  expect(bad.pack.name).not.toBe(moved.pack.name)
  expect(await stateNow()).toBe('damaged')

  const path = await pathOf(bad.pack.name)
  await truncate(path, bad.copy.offset + bad.copy.lengthBytes - 10)
  await compact()
  expect((await largest()).pack.name).toBe(bad.pack.name)
})

/** The packs of a store, of which reads return bytes with a wrong one when `isBad` says so. It is
 *  called with the number of times that the same place was read before. */
function misreading({ packs }: TestStore, isBad: (readBefore: number) => boolean) {
  const reads = new Map<string, number>()
  const read: typeof packs.read = async (name, offset, lengthBytes, into) => {
    const bytes = await packs.read(name, offset, lengthBytes, into)
    const place = `${name} ${offset} ${lengthBytes}`
    const before = reads.get(place) ?? 0
    reads.set(place, before + 1)
    if (isBad(before)) bytes[lengthBytes >> 1]! ^= 1
    return bytes
  }
  return { ...packs, read }
}

test('bytes that are read wrongly once move as they are on the disk', async () => {
  const store = await openStore()
  const zip = buildZip({
    members: [
      { name: 'large', content: largeContent },
      { name: 'small', content: 'small '.repeat(500) },
    ],
  })
  const { artifact } = await store.put('stock', 'zip', zip)
  const packs = misreading(store, (readBefore) => readBefore === 0)
  const before = await wholePacks(store.metadata)
  const done = await compactPacks({ ...store.ports, packs }, before, createPace(null))
  expect(done.writtenBytes).toBeLessThan(largeContent.length * 1.1)
  for (const { name } of before) await store.packs.remove(name)
  expect(await store.metadata.findArtifact(artifact.id)).toMatchObject({ state: 'available' })
  expect((await zipOf(store, artifact.id)).equals(zip)).toBe(true)
})

test('copies deep in a pack move with the neighbours that one read covers', async () => {
  const store = await openStore()
  const half = Math.ceil(limits.compactReadBytes * 0.6)
  const zip = buildZip({
    members: [
      { name: 'large', content: largeContent },
      { name: 'half', content: pseudoRandom(half, 'half') },
      { name: 'other half', content: pseudoRandom(half, 'other half') },
      { name: 'small', content: 'small '.repeat(500) },
      { name: 'other', content: 'other '.repeat(500) },
    ],
  })
  const { artifact } = await store.put('stock', 'zip', zip)
  let reads = 0
  const read: typeof store.packs.read = async (...slice) => {
    reads += 1
    return await store.packs.read(...slice)
  }
  const before = await wholePacks(store.metadata)
  const ports = { ...store.ports, packs: { ...store.packs, read } }
  await compactPacks(ports, before, createPace(null))
  // The large one twice by pages, `half`, and the rest.
  expect(reads).toBe(2 * Math.ceil(largeContent.length / limits.checkPageBytes) + 2)
  for (const { name } of before) await store.packs.remove(name)
  expect((await zipOf(store, artifact.id)).equals(zip)).toBe(true)
})

test('a large copy that turns bad once it was found sound stays where it is', async () => {
  const store = await openStore()
  const zip = buildZip({ members: [{ name: 'large', content: largeContent }] })
  const { artifact } = await store.put('stock', 'zip', zip)
  const packs = misreading(store, (readBefore) => readBefore > 0)
  const compacting = compactPacks(
    { ...store.ports, packs },
    await wholePacks(store.metadata),
    createPace(null),
  )
  await expect(compacting).rejects.toMatchObject({ code: 'blob_damaged' })
  // The pack that was begun is gone.
  expect(await store.packs.removeUnsealed(Number.POSITIVE_INFINITY)).toBe(0)
  expect((await zipOf(store, artifact.id)).equals(zip)).toBe(true)
})

test('a large copy that cannot be read is marked, and stays where it is', async () => {
  const store = await openStore()
  const zip = buildZip({ members: [{ name: 'large', content: largeContent }] })
  const { artifact } = await store.put('stock', 'zip', zip)
  const read = async (): Promise<Buffer> => {
    throw storeError('blob_damaged', 'a bad sector', { digest: null, paths: [] })
  }
  const ports = { ...store.ports, packs: { ...store.packs, read } }
  await compactPacks(ports, await wholePacks(store.metadata), createPace(null))
  expect(await store.metadata.findArtifact(artifact.id)).toMatchObject({ state: 'damaged' })
  expect((await store.metadata.figures()).packs).toBe(1)
})

test('copies of a lost pack are marked once, however often a round finds them', async () => {
  const store = await openStore()
  const { metadata } = store
  await store.putTar('tree', { a: 'alpha '.repeat(500), b: 'beta '.repeat(500) })
  const [pack] = await wholePacks(metadata)
  await store.packs.remove(pack!.name)
  let marked = 0
  const markDamaged: typeof metadata.markDamaged = async (copy) => {
    marked += 1
    await metadata.markDamaged(copy)
  }
  const ports = { ...store.ports, metadata: { ...metadata, markDamaged } }
  for (let round = 0; round < 2; round++) await compactPacks(ports, [pack!], createPace(null))
  expect(marked).toBe(2)
})
