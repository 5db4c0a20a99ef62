/** The stored streams of a delta download: each once, in storage order. */
import { expect, test } from 'vitest'
import { readFetchedHead } from '../../src/core/bytes/blob-exchange.ts'
import type { BlobPlacement } from '../../src/core/bytes/copy.ts'
import type { EntryPath } from '../../src/core/manifest/entry.ts'
import { limits } from '../../src/core/limits.ts'
import { createByteReader } from '../../src/core/bytes/varint.ts'
import { representBlobs } from '../../src/egress/blob-list.ts'
import type { StoredEntry } from '../../src/metadata/metadata.ts'
import { createMemoryStore, type MemoryStore } from './memory-store.ts'
import { readAll } from './read-all.ts'

/** Returns the ordinals of the streams that are sent when all of `blobs` are wanted. */
async function fetchAll(store: MemoryStore, blobs: readonly BlobPlacement[]): Promise<number[]> {
  const entryAt = (ordinal: number): StoredEntry => {
    const blob = blobs[ordinal]!
    const { digest, sizeBytes } = blob
    return { kind: 'file', path: `${ordinal}` as EntryPath, mode: 0o644, digest, sizeBytes, blob }
  }
  const metadata = {
    ...store.reader.metadata,
    readEntries: async (_artifactId: number, ordinals: readonly number[]) => ordinals.map(entryAt),
  }
  const wants = blobs.map((_, ordinal) => ({ ordinal, parts: null }))
  const representation = await representBlobs({ ...store.reader, metadata }, 1, wants)
  const bytes = await readAll(representation)
  expect(bytes).toHaveLength(representation.totalBytes)
  const reader = createByteReader(bytes)
  const ordinals: number[] = []
  for (let head = readFetchedHead(reader); head !== undefined; head = readFetchedHead(reader)) {
    reader.raw(head.lengthBytes)
    ordinals.push(head.ordinal)
  }
  expect(reader.atEnd()).toBe(true)
  return ordinals
}

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

/** Bounds how many streams are sorted at once, so that the event loop is not blocked. Method:
 *  two copies are wanted alternately, more often than the bound; what exceeds it is sorted
 *  separately. */
test('no more streams are sorted at once than a pack holds', async () => {
  const store = createMemoryStore()
  const first = store.addFile(Buffer.from('one'), 'joining')
  const second = store.addFile(Buffer.from('two'), 'joining')
  const half = limits.packCopiesMax / 2
  const blobs = Array.from({ length: 2 * half + 2 }, (_, index) =>
    index % 2 === 0 ? second : first,
  )
  const sent = (await fetchAll(store, blobs)).map((ordinal) => blobs[ordinal])
  expect(sent.map((blob) => (blob === first ? 1 : 2)).join('')).toBe(
    `${'1'.repeat(half)}${'2'.repeat(half)}12`,
  )
})
