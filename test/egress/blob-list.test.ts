/** The stored streams of a delta download: each once, in storage order. */
import { constants, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  encodeWants,
  type FetchedHead,
  readFetchedHead,
  readListedParts,
  type Want,
} from '../../src/core/bytes/blob-exchange.ts'
import type { BlobPlacement } from '../../src/core/bytes/copy.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import type { EntryPath } from '../../src/core/manifest/entry.ts'
import { limits } from '../../src/core/limits.ts'
import { createByteReader } from '../../src/core/bytes/varint.ts'
import { representBlobs } from '../../src/egress/blob-list.ts'
import { listParts } from '../../src/egress/part-list.ts'
import type { StoredEntry } from '../../src/metadata/metadata.ts'
import { turns } from '../turns.ts'
import { createMemoryStore, type MemoryStore } from './memory-store.ts'
import { readAll } from './read-all.ts'

/** The metadata of an artifact whose files have these contents. */
function metadataOf(store: MemoryStore, blobs: readonly BlobPlacement[]) {
  const entryAt = (ordinal: number): StoredEntry | undefined => {
    const path = `${ordinal}` as EntryPath
    const blob = blobs[ordinal]
    if (blob === undefined) return { kind: 'directory', path, mode: 0o755 }
    const { digest, sizeBytes } = blob
    return { kind: 'file', path, mode: 0o644, digest, sizeBytes, blob }
  }
  return {
    ...store.reader.metadata,
    readEntries: async (_artifactId: number, ordinals: readonly number[]) => ordinals.map(entryAt),
  }
}

async function fetchWants(
  store: MemoryStore,
  blobs: readonly BlobPlacement[],
  wants: readonly Want[],
  state: 'available' | 'damaged' = 'available',
): Promise<{ head: FetchedHead; stream: Buffer }[]> {
  const reader = { ...store.reader, metadata: metadataOf(store, blobs) }
  const artifact = { id: 1, projectId: 1, state }
  const representation = representBlobs(reader, artifact, encodeWants(wants))
  await representation.verifyReadable()
  const bytes = await readAll(representation)
  const list = createByteReader(bytes)
  const fetched: { head: FetchedHead; stream: Buffer }[] = []
  for (let head = readFetchedHead(list); head !== undefined; head = readFetchedHead(list))
    fetched.push({ head, stream: list.raw(head.lengthBytes) })
  expect(list.atEnd()).toBe(true)
  return fetched
}

/** Returns the ordinals of the streams that are sent when all of `blobs` are wanted. */
async function fetchAll(store: MemoryStore, blobs: readonly BlobPlacement[]): Promise<number[]> {
  const wants = blobs.map((_, ordinal) => ({ ordinal, parts: null }))
  return (await fetchWants(store, blobs, wants)).map(({ head }) => head.ordinal)
}

const wantedFile = fc.record({
  content: fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  partBytes: fc.option(fc.integer({ min: 10, max: 100 })),
  wanted: fc.option(fc.uniqueArray(fc.nat(12)).map((parts) => parts.toSorted((a, b) => a - b))),
})

/** The parts of a file that are wanted and exist, in order. */
function wantedParts({
  content,
  partBytes,
  wanted,
}: {
  content: Buffer
  partBytes: number | null
  wanted: number[] | null
}): Buffer[] {
  const size = partBytes ?? content.length
  const parts = Array.from({ length: Math.ceil(content.length / size) }, (_, part) =>
    content.subarray(part * size, (part + 1) * size),
  )
  return parts.filter((_, part) => wanted === null || wanted.includes(part))
}

test('of a file, the wanted parts that it has are sent and listed, each for its place', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(wantedFile, { maxLength: 5 }), async (files) => {
      const store = createMemoryStore()
      const blobs = files.map(({ content, partBytes }) =>
        store.addFile(content, partBytes === null ? 'joining' : { partBytes }),
      )
      const wants = files.map(({ wanted }, ordinal) => ({ ordinal, parts: wanted }))
      const sent = files.map((): [number, Buffer][] => [])
      for (const { head, stream } of await fetchWants(store, blobs, wants)) {
        const { ordinal, offset, sizeBytes } = head
        const part = inflateRawSync(stream, { finishFlush: constants.Z_SYNC_FLUSH })
        expect(part).toEqual(files[ordinal]!.content.subarray(offset, offset + sizeBytes))
        sent[ordinal]!.push([offset, part])
      }
      expect(
        sent.map((parts) => parts.toSorted(([a], [b]) => a - b).map(([, part]) => part)),
      ).toEqual(files.map(wantedParts))
      const described = (part: Buffer) => ({ digest: digestOf(part), sizeBytes: part.length })
      const readPartDigests = async (blobId: number, first: number, limit: number) => {
        const file = files[blobs.findIndex((blob) => blob.blobId === blobId)]!
        const parts = wantedParts({ ...file, wanted: null })
        return parts.slice(first, first + limit).map(described)
      }
      const metadata = { ...metadataOf(store, blobs), readPartDigests }
      const list = createByteReader(await listParts(metadata, 1, encodeWants(wants)))
      for (const [ordinal, file] of files.entries()) {
        const parts = file.partBytes === null ? [] : wantedParts(file)
        expect(readListedParts(list)).toEqual({ ordinal, parts: parts.map(described) })
      }
      expect(list.atEnd()).toBe(true)
    }),
    { numRuns: turns(100) },
  )
})

test('only files are sent, and none with damaged parts', async () => {
  const store = createMemoryStore()
  const blob = store.addFile(Buffer.alloc(50), { partBytes: 20 })
  await expect(fetchWants(store, [blob], [{ ordinal: 1, parts: null }])).rejects.toMatchObject({
    code: 'invalid_request',
  })
  const [, part] = await store.reader.metadata.readParts(blob.blobId, 0, 2)
  part!.copy.damaged = true
  const wanting = (...parts: number[]) =>
    fetchWants(store, [blob], [{ ordinal: 0, parts }], 'damaged')
  expect(await wanting(0, 2)).toHaveLength(2)
  await expect(wanting(0, 1)).rejects.toMatchObject({
    code: 'blob_damaged',
    details: { paths: ['0'] },
  })
})

/** Metadata of files with `partCount` parts each, which counts the pages of parts that are read. */
function largeFiles(partCount: number) {
  const store = createMemoryStore()
  const part = { sizeBytes: 1, crc32: 0, copy: store.store(Buffer.alloc(1), 'joining') }
  const digest = digestOf('')
  const blob = { blobId: 1, digest, sizeBytes: partCount, crc32: 0, joinedBytes: partCount }
  const read = { pages: 0 }
  const page =
    <T>(each: T) =>
    async (_blob: number, _first: number, limit: number) => {
      read.pages += 1
      return Array.from({ length: limit }, () => each)
    }
  const metadata = {
    ...metadataOf(
      store,
      Array.from({ length: 100 }, () => ({ ...blob, partCount, copy: null })),
    ),
    readParts: page(part),
    readPartDigests: page({ digest, sizeBytes: 1 }),
  }
  return { read, metadata, reader: { ...store.reader, metadata } }
}

test('no more parts are listed in one request than are allowed, however large files are', async () => {
  const partCount = limits.fetchedStreamsMax / 2
  const { read, metadata } = largeFiles(partCount)
  const wants = (count: number): Buffer =>
    encodeWants(Array.from({ length: count }, (_, ordinal) => ({ ordinal, parts: null })))
  await listParts(metadata, 1, wants(2))
  const whole = read.pages
  const refused = { code: 'too_large', details: { limitValue: limits.fetchedStreamsMax } }
  await expect(listParts(metadata, 1, wants(100))).rejects.toMatchObject(refused)
  expect(read.pages).toBe(2 * whole + 1)
})

test('parts of large files are looked up as they are sent', async () => {
  const { read, reader } = largeFiles(limits.fetchedStreamsMax)
  const wants = encodeWants(Array.from({ length: 100 }, (_, ordinal) => ({ ordinal, parts: null })))
  const artifact = { id: 1, projectId: 1, state: 'available' } as const
  const blobs = representBlobs(reader, artifact, wants)
  const chunks = blobs.read(0, blobs.totalBytes)[Symbol.asyncIterator]()
  await chunks.next()
  expect(read.pages).toBeLessThan(50)
  await chunks.return?.()
})

test('parts beyond the last wanted one are not read', async () => {
  const { read, metadata, reader } = largeFiles(50_000)
  const wants = encodeWants([{ ordinal: 0, parts: [0, 7] }])
  const artifact = { id: 1, projectId: 1, state: 'available' } as const
  await readAll(representBlobs(reader, artifact, wants))
  await listParts(metadata, 1, wants)
  expect(read.pages).toBe(2)
})

test('a download that goes on after its streams have moved fails', async () => {
  const store = createMemoryStore()
  const blobs = Array.from({ length: 3000 }, (_, index) =>
    store.addFile(Buffer.from(`content ${index} `.repeat(20)), 'joining'),
  )
  const metadata = metadataOf(store, blobs)
  const wants = encodeWants(blobs.map((_, ordinal) => ({ ordinal, parts: null })))
  const artifact = { id: 1, projectId: 1, state: 'available' } as const
  const list = representBlobs({ ...store.reader, metadata }, artifact, wants)
  const bytes = await readAll(list)
  for (const start of [0, 1, 9000, 100_000, bytes.length - 1])
    expect((await readAll(list, start)).equals(bytes.subarray(start))).toBe(true)
  const [first, second] = blobs as [BlobPlacement, BlobPlacement]
  blobs.splice(0, 2, { ...first, copy: second.copy }, { ...second, copy: first.copy })
  await expect(readAll(list, 9000)).rejects.toThrow('moved while they were sent')
  // The slice that moved is over.
  const later = Math.floor(bytes.length * 0.9)
  expect((await readAll(list, later)).equals(bytes.subarray(later))).toBe(true)
})

test('streams are sent pack by pack, and in offset order within a pack', async () => {
  const store = createMemoryStore({ packBytes: 400 })
  const stored = Array.from({ length: 40 }, (_, index) =>
    store.addFile(Buffer.from(`content ${index}`), 'joining'),
  )
  const blobs = stored.toSorted((a, b) => (a.digest < b.digest ? -1 : 1))
  const sent = (await fetchAll(store, blobs)).map((ordinal) => blobs[ordinal]!.copy!)
  expect(new Set(sent).size).toBe(stored.length)
  const packs = sent.map(({ packName }) => packName)
  const entered = packs.filter((name, index) => name !== packs[index - 1])
  expect(entered.length).toBeGreaterThan(2)
  expect(new Set(entered).size).toBe(entered.length)
  const isBack = sent.some(({ packName, offset }, index) => {
    const before = sent[index - 1]
    return before?.packName === packName && before.offset > offset
  })
  expect(isBack).toBe(false)
})

/** Method: two copies are wanted alternately, more often than a slice has streams. */
test('no more streams are sorted at once than a slice has', async () => {
  const store = createMemoryStore()
  const first = store.addFile(Buffer.from('one'), 'joining')
  const second = store.addFile(Buffer.from('two'), 'joining')
  const half = 2048 / 2
  const blobs = Array.from({ length: 2 * half + 2 }, (_, index) =>
    index % 2 === 0 ? second : first,
  )
  const sent = (await fetchAll(store, blobs)).map((ordinal) => blobs[ordinal])
  expect(sent.map((blob) => (blob === first ? 1 : 2)).join('')).toBe(
    `${'1'.repeat(half)}${'2'.repeat(half)}12`,
  )
})
