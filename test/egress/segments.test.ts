/** Contents of many pieces: parts, stored blocks, and what is inflated. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { BlobPlacement, Copy } from '../../src/core/bytes/copy.ts'
import { limits } from '../../src/core/limits.ts'
import { representFile } from '../../src/egress/egress.ts'
import { gzipTrailer } from '../../src/egress/gzip.ts'
import type { Representation } from '../../src/egress/representation.ts'
import {
  type Deferred,
  deflateStream,
  literal,
  type Segment,
  sliceSegments,
  totalBytes,
  unreadParts,
} from '../../src/egress/segments.ts'
import type { StoredFile } from '../../src/metadata/metadata.ts'
import { storedBlockBytesMax, storedBlocksBytes } from '../../src/packs/codec/codec.ts'
import { createMemoryStore, type FileForm, type MemoryStore } from './memory-store.ts'
import { fileOf, readAll } from './read-all.ts'

async function fileIn(
  store: MemoryStore,
  content: Buffer,
  form: FileForm,
): Promise<{ file: StoredFile; plain: Representation }> {
  const artifact = store.addArtifact([{ kind: 'file', path: 'a', content, form }])
  const file = await fileOf(store, artifact, 'a')
  return { file, plain: await representFile(store.reader, artifact, file) }
}

const numbers = Array.from({ length: 120_000 }, (_, index) => `${index}`).join()

test.each<[string, FileForm]>([
  ['one joining stream', 'joining'],
  ['a foreign stream', 'deflate'],
  ['plain bytes', 'stored'],
  ['parts', { partBytes: 100_000 }],
])('any range of a large file that is %s is that slice of it', async (_, form) => {
  const content = Buffer.from(numbers)
  const { plain } = await fileIn(createMemoryStore(), content, form)
  const { length } = content
  for (const [start, end] of [
    [0, length],
    [0, 1],
    [262_143, 262_145],
    [300_000, length],
    [100, 600_000],
    [200_000, 200_001],
    [length - 1, length],
    [5, 5],
  ] as const)
    expect((await readAll(plain, start, end)).equals(content.subarray(start, end))).toBe(true)
})

test('a range of a file in parts is read from the part on that holds its first byte', async () => {
  const store = createMemoryStore()
  const { file, plain } = await fileIn(store, Buffer.from(numbers), { partBytes: 100_000 })
  const parts = await store.reader.metadata.readParts(file.blob.blobId, 0, 10)
  for (const [start, part] of [
    [199_999, 1],
    [200_000, 2],
    [200_001, 2],
  ] as const) {
    store.reads.length = 0
    await readAll(plain, start, start + 1)
    expect(store.reads[0]!.offset).toBe(parts[part]!.copy.offset)
  }
})

test('what follows a range of a file is not read', async () => {
  const store = createMemoryStore()
  const { plain } = await fileIn(store, randomBytes(6 * 1024 * 1024), 'deflate')
  await readAll(plain, 0, 1)
  // A window, and the next ahead of it.
  expect(store.reads.length).toBeLessThanOrEqual(3)
})

test('a file of thousands of parts is read a bounded number of parts at a time', async () => {
  const store = createMemoryStore()
  const content = Buffer.from(numbers.slice(0, 2500))
  const { plain } = await fileIn(store, content, { partBytes: 1 })
  const asked: number[] = []
  const { readParts } = store.reader.metadata
  store.reader.metadata.readParts = async (blobId, first, limit) => {
    asked.push(limit)
    return await readParts(blobId, first, limit)
  }
  expect((await readAll(plain)).equals(content)).toBe(true)
  expect((await readAll(plain, 2345)).equals(content.subarray(2345))).toBe(true)
  expect(Math.max(...asked)).toBe(2000)
})

test('a file with fewer parts than it should have is an error', async () => {
  const store = createMemoryStore()
  const { file, plain } = await fileIn(store, Buffer.from('abc'), { partBytes: 1 })
  file.blob.partCount = 4
  file.blob.joinedBytes += 1
  await expect(readAll(plain)).rejects.toThrow('has 3 parts, not 4')
})

test('stored blocks of any length are listed in batches of bounded length', async () => {
  const batchBytes = limits.manifestPageEntries * storedBlockBytesMax
  for (const lengthBytes of [1, 2 * batchBytes, 2 * batchBytes + 1, 3 * batchBytes - 1]) {
    const copy = { codec: 'stored', lengthBytes } as Copy
    const blob = { copy } as BlobPlacement
    const blocks = deflateStream(blob, 'a', unreadParts) as Deferred
    let listed = 0
    for await (const batch of blocks.open()) {
      expect(batch.length).toBeLessThanOrEqual(2 * limits.manifestPageEntries)
      listed += totalBytes(batch)
    }
    expect(listed).toBe(storedBlocksBytes(lengthBytes))
    expect(blocks.lengthBytes).toBe(listed)
  }
})

test('nothing behind a range is requested', async () => {
  let requested = 0
  const batches = async function* (): AsyncGenerator<Segment[]> {
    for (; requested < 10; requested++) yield [literal(Buffer.alloc(100))]
  }
  const bytes: number[] = []
  for await (const batch of sliceSegments(batches(), 150, 300)) bytes.push(totalBytes(batch))
  expect(bytes).toEqual([50, 100])
  expect(requested).toBe(2)
})

// RFC 1952 §2.3.1.
test('the length in the trailer of a gzip member is modulo 4 GiB', () => {
  const lengthIn = (sizeBytes: number): number => gzipTrailer(1, sizeBytes).readUInt32LE(4)
  expect([2 ** 32 - 1, 2 ** 32, 2 ** 33 + 5].map(lengthIn)).toEqual([2 ** 32 - 1, 0, 5])
})
