/** Uploads that fill several packs: one is sealed and registered while the next is filled. */
import { expect, test } from 'vitest'
import { crc32 } from '../../src/core/bytes/crc32.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { joiningStream } from '../../src/ingest/blob-writer.ts'
import { createPackFiller, type PackFiller } from '../../src/ingest/pack-filler.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { openStore } from './open-store.ts'

interface Registered {
  sizeBytes: number
  copies: number
}

/** Registers packs in the order in which they are full; the first one fails if `failure` is set. */
async function open(failure?: Error): Promise<{
  filler: PackFiller
  registered: Registered[]
  packBytes(): Promise<number>
}> {
  const { packs, metadata, packBytes } = await openStore()
  const registered: Registered[] = []
  const addPack: Metadata['addPack'] = async (_session, { sizeBytes }, copies) => {
    registered.push({ sizeBytes, copies: copies.length })
    if (registered.length === 1 && failure !== undefined) throw failure
    return []
  }
  const ports = { metadata: { ...metadata, addPack }, packs }
  return { filler: createPackFiller({ ...ports, sessionId: 'id' }), registered, packBytes }
}

const stream = Buffer.from('stream')

/** Appends as many streams; they need not be of their blobs. */
async function fill(filler: PackFiller, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const content = Buffer.from(String(index))
    const facts = { digest: digestOf(content), sizeBytes: content.length, crc32: crc32(content) }
    await filler.append(joiningStream(facts, stream), stream)
  }
}

const perPack = limits.packCopiesMax

test('every copy is registered once, and every pack counts', async () => {
  const { filler, registered, packBytes } = await open()
  await fill(filler, 2 * perPack)
  await filler.finish()
  await fill(filler, 1)
  const { newBytes } = await filler.finish()
  expect(registered.map(({ copies }) => copies)).toEqual([perPack, perPack, 1])
  expect(newBytes).toBe(registered.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))
  expect(newBytes).toBe(await packBytes())
})

test('an upload fails with a pack that cannot be registered, whatever follows it', async () => {
  const { filler, registered, packBytes } = await open(new Error('not registered'))
  const filling = async (): Promise<void> => {
    await fill(filler, 2 * perPack + 1)
    await filler.finish()
  }
  await expect(filling()).rejects.toThrow('not registered')
  await filler.abort()
  expect(registered).toHaveLength(1)
  expect(await packBytes()).toBe(0)
})
