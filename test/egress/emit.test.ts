/** What is sent is verified, what cannot be read fails visibly, and memory is bounded by the
 *  window. */
import { randomBytes } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { placeOf } from '../../src/core/bytes/copy.ts'
import { hasCode, storeError } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { representFile, representTarGz, representZip } from '../../src/egress/egress.ts'
import { coalesce } from '../../src/egress/coalesce.ts'
import { emit } from '../../src/egress/emit.ts'
import type { Representation } from '../../src/egress/representation.ts'
import { literal, type Segment, wholeCopy } from '../../src/egress/segments.ts'
import type { Artifact, StoredFile } from '../../src/metadata/metadata.ts'
import { createMemoryStore, type EntrySpec, type MemoryStore } from './memory-store.ts'
import { readAll } from './read-all.ts'
import { fullTree, repetitive } from './trees.ts'

const MiB = 1024 * 1024

async function* batches(...list: Segment[][]): AsyncGenerator<Segment[]> {
  yield* list
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => expect.fail('it succeeded'),
    (error: unknown) => error,
  )
}

async function fileOf(store: MemoryStore, artifact: Artifact, path: string): Promise<StoredFile> {
  const page = await store.reader.metadata.readEntryPage(artifact.id, 0)
  return page!.entries.find((entry) => entry.path === path) as StoredFile
}

describe('reading', () => {
  test('neighbours in a pack are one read, and a large copy is read one check page at a time', async () => {
    const store = createMemoryStore()
    const small = Array.from({ length: 20 }, () =>
      wholeCopy(store.store(randomBytes(10_000), 'stored'), null),
    )
    const large = store.store(randomBytes(3 * MiB + 5), 'stored')
    const length = 200_000 + large.lengthBytes
    for await (const chunk of emit(store.reader, batches(small, [wholeCopy(large, null)]), {
      start: 0,
      end: length,
    })) {
      expect(chunk.length).toBeLessThanOrEqual(MiB / 4)
    }
    expect(store.reads.map((read) => read.lengthBytes)).toEqual([
      200_000 + 19 * 37,
      MiB,
      MiB,
      MiB,
      5,
    ])
  })

  test('a gap wider than the limit is not read through', async () => {
    const store = createMemoryStore()
    const first = store.store(randomBytes(100), 'stored')
    store.store(randomBytes(limits.readGapBytes), 'stored')
    const second = store.store(randomBytes(100), 'stored')
    const segments = [wholeCopy(second, null), wholeCopy(first, null)]
    for await (const _ of emit(store.reader, batches(segments), { start: 0, end: 200 })) continue
    expect(store.reads.map((read) => read.lengthBytes)).toEqual([100, 100])
  })

  test('the gap bytes read in one window stay below a quarter of it', async () => {
    const store = createMemoryStore()
    const wanted: Segment[] = []
    for (let index = 0; index < 200; index++) {
      wanted.push(wholeCopy(store.store(randomBytes(100), 'stored'), null))
      store.store(randomBytes(50_000), 'stored')
    }
    for await (const _ of emit(store.reader, batches(wanted), { start: 0, end: 20_000 })) continue
    const read = store.reads.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)
    expect(read).toBeLessThanOrEqual(20_000 + limits.readWindowBytes / 4)
  })

  test('a stored member in a tar.gz is read once, although it is split into blocks', async () => {
    const store = createMemoryStore()
    const content = randomBytes(5 * MiB)
    const artifact = store.addArtifact([{ kind: 'file', path: 'a', content, form: 'stored' }])
    const tar = gunzipSync(await readAll(await representTarGz(store.reader, artifact)))
    expect(tar.subarray(512, 512 + content.length).equals(content)).toBe(true)
    expect(store.reads.map((read) => read.lengthBytes)).toEqual([MiB, MiB, MiB, MiB, MiB])
  })

  test('at most two windows are loaded before their bytes are consumed', async () => {
    const store = createMemoryStore()
    const bytes = randomBytes(10 * MiB)
    const copy = store.store(bytes, 'stored')
    const chunks = emit(store.reader, batches([wholeCopy(copy, null)]), { start: 0, end: 10 * MiB })
    const received: Buffer[] = []
    for (let taken = 1; taken <= 40; taken++) {
      received.push((await chunks.next()).value as Buffer)
      expect(received.at(-1)?.length).toBe(MiB / 4)
      await new Promise((resolve) => setImmediate(resolve))
      expect(store.reads.length).toBe(Math.min(Math.ceil(taken / 4) + 1, 10))
    }
    expect((await chunks.next()).done).toBe(true)
    // Windows share memory, chunks do not.
    expect(Buffer.concat(received).equals(bytes)).toBe(true)
  })

  test('a download holds one window while very many run', async () => {
    const store = createMemoryStore()
    const bytes = randomBytes(10 * MiB)
    const segments = [wholeCopy(store.store(bytes, 'stored'), null)]
    const range = { start: 0, end: bytes.length }
    const others = Array.from({ length: limits.readAheadDownloadsMax }, () =>
      emit(store.reader, batches(segments), range),
    )
    for (const other of others) await other.next()
    const windows = new Set<unknown>()
    const read: MemoryStore['reader']['packs']['read'] = async (name, offset, length, into) => {
      windows.add(into?.buffer)
      return await store.reader.packs.read(name, offset, length, into)
    }
    const reader = { ...store.reader, packs: { read } }
    const received: Buffer[] = []
    for await (const chunk of emit(reader, batches(segments), range)) received.push(chunk)
    for (const other of others) await other.return(undefined)
    expect(windows.size).toBe(1)
    expect(Buffer.concat(received).equals(bytes)).toBe(true)
  })

  test('a range in the middle reads only the check pages that contain it', async () => {
    const store = createMemoryStore()
    const bytes = randomBytes(10 * MiB)
    const copy = store.store(bytes, 'stored')
    const range = { start: 4 * MiB - 3, end: 4 * MiB + 3 }
    const chunks: Buffer[] = []
    for await (const chunk of emit(store.reader, batches([wholeCopy(copy, null)]), range))
      chunks.push(chunk)
    expect(Buffer.concat(chunks).equals(bytes.subarray(range.start, range.end))).toBe(true)
    expect(store.reads.map((read) => read.offset)).toEqual([
      copy.offset + 3 * MiB,
      copy.offset + 4 * MiB,
    ])
  })

  test('an abort signal stops the download before the next read', async () => {
    const store = createMemoryStore()
    const copy = store.store(randomBytes(10 * MiB), 'stored')
    const stop = new AbortController()
    const range = { start: 0, end: 10 * MiB, signal: stop.signal }
    const chunks = emit(store.reader, batches([wholeCopy(copy, null)]), range)
    await chunks.next()
    const reason = new Error('hung up')
    stop.abort(reason)
    const rest = async (): Promise<void> => {
      for await (const _ of chunks) continue
    }
    expect(await failureOf(rest())).toBe(reason)
    expect(store.reads.length).toBeLessThanOrEqual(2)
  })

  test('no read outlives a consumer that stops', async () => {
    const store = createMemoryStore()
    const copy = store.store(randomBytes(10 * MiB), 'stored')
    let running = 0
    store.beforeRead = async () => {
      running += 1
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
    }
    for await (const _ of emit(store.reader, batches([wholeCopy(copy, null)]), {
      start: 0,
      end: 10 * MiB,
    }))
      break
    expect(running).toBe(0)
    expect(store.reads.length).toBeLessThanOrEqual(2)
  })

  test('segments that do not add up to the announced length are an error', async () => {
    const source = async function* (): AsyncGenerator<Buffer[]> {
      yield [Buffer.alloc(10)]
    }
    const drain = async (lengthBytes: number): Promise<void> => {
      for await (const _ of coalesce(source(), lengthBytes)) continue
    }
    await expect(drain(11)).rejects.toThrow('1 too short')
    await expect(drain(9)).rejects.toThrow('1 too long')
    await expect(drain(10)).resolves.toBeUndefined()
  })

  test('literals of any size are passed on in chunks of at most 256 KiB', async () => {
    const bytes = randomBytes(2 * MiB + 7)
    const chunks: Buffer[] = []
    const { reader } = createMemoryStore()
    for await (const chunk of emit(reader, batches([literal(bytes)]), {
      start: 1,
      end: bytes.length,
    })) {
      expect(chunk.length).toBeLessThanOrEqual(MiB / 4)
      chunks.push(chunk)
    }
    expect(Buffer.concat(chunks).equals(bytes.subarray(1))).toBe(true)
  })
})

test('inflating a large file does not block the event loop', async () => {
  const store = createMemoryStore()
  const content = Buffer.alloc(64 * MiB)
  const artifact = store.addArtifact([{ kind: 'file', path: 'zeros', content, form: 'deflate' }])
  const representation = await representFile(
    store.reader,
    artifact,
    await fileOf(store, artifact, 'zeros'),
  )
  let turns = 0
  let counting = true
  const count = (): void => {
    turns += 1
    if (counting) setImmediate(count)
  }
  setImmediate(count)
  let received = 0
  for await (const chunk of representation.read(0, content.length)) received += chunk.length
  counting = false
  expect(received).toBe(content.length)
  // zlib yields 256 KiB at a time, each from another thread.
  expect(turns).toBeGreaterThan(64)
})

describe('patterns that are slow on long paths', () => {
  const name = 'a'.repeat(250)
  const specs = Array.from({ length: 400 }, (_, index): EntrySpec => {
    const path = `${`${name}/`.repeat(15)}${index}`
    return { kind: 'file', path, content: Buffer.alloc(0), form: 'joining' }
  })
  const paths = Array.from({ length: 16 }, (_, index) => `**/*${'a'.repeat(200 + index)}b`)

  test('do not block the event loop', async () => {
    const store = createMemoryStore()
    const artifact = store.addArtifact(specs)
    let turns = 0
    const timer = setInterval(() => {
      turns += 1
    }, 1)
    await expect(representZip(store.reader, artifact, { paths })).rejects.toThrow(/no path/)
    clearInterval(timer)
    expect(turns).toBeGreaterThan(10)
  })

  test('stop matching when the client has gone', async () => {
    const store = createMemoryStore()
    const artifact = store.addArtifact(specs)
    const signal = AbortSignal.abort(new Error('the client hung up'))
    for (const represent of [representZip, representTarGz]) {
      const given = represent(store.reader, artifact, { paths, signal })
      await expect(given).rejects.toThrow('hung up')
    }
  })
})

/** Flips one bit of every copy in turn; what is emitted must be a prefix of what the intact store
 *  emits. */
describe('damage', () => {
  const specs: EntrySpec[] = [
    { kind: 'file', path: 'a', content: repetitive(9000), form: 'joining' },
    { kind: 'file', path: 'b', content: randomBytes(2_200_000), form: 'stored' },
    { kind: 'file', path: 'c', content: randomBytes(300_000), form: { partBytes: 65_536 } },
    { kind: 'file', path: 'd', content: repetitive(500_000), form: 'deflate' },
  ]

  async function emitted(
    representation: Representation,
  ): Promise<{ bytes: Buffer; error: unknown }> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of representation.read(0, representation.totalBytes))
        chunks.push(chunk)
    } catch (error) {
      return { bytes: Buffer.concat(chunks), error }
    }
    return { bytes: Buffer.concat(chunks), error: undefined }
  }

  async function formsOf(store: MemoryStore, artifact: Artifact): Promise<Representation[]> {
    const { reader } = store
    const files = await Promise.all(specs.map((spec) => fileOf(store, artifact, spec.path)))
    return [
      await representZip(reader, artifact),
      await representTarGz(reader, artifact),
      ...(await Promise.all(files.map((file) => representFile(reader, artifact, file)))),
      ...(await Promise.all(
        files.map((file) => representFile(reader, artifact, file, { gzip: true })),
      )),
    ]
  }

  test('a damaged page is never emitted, and is named and marked', async () => {
    const store = createMemoryStore()
    const artifact = store.addArtifact(specs)
    const forms = await formsOf(store, artifact)
    const whole = await Promise.all(forms.map((form) => readAll(form)))
    const pack = store.packs.get('pack-0')!
    let failures = 0
    for (let at = 45; at < pack.length; at += 150_001) {
      pack[at]! ^= 0x10
      for (const [index, form] of forms.entries()) {
        store.marked.length = 0
        const { bytes, error } = await emitted(form)
        expect(bytes.equals(whole[index]!.subarray(0, bytes.length))).toBe(true)
        if (error === undefined) {
          expect(bytes.length).toBe(whole[index]!.length)
          expect(store.marked).toEqual([])
          continue
        }
        failures += 1
        expect(hasCode(error, 'blob_damaged') && error.details.paths.length === 1).toBe(true)
        expect(store.marked.length).toBe(1)
      }
      pack[at]! ^= 0x10
    }
    expect(failures).toBeGreaterThan(40)
  })

  test('a pack that ends early marks the copies beyond its end and no others', async () => {
    const store = createMemoryStore()
    const artifact = store.addArtifact(specs)
    const zip = await representZip(store.reader, artifact)
    await readAll(zip)
    const file = await fileOf(store, artifact, 'd')
    const pack = store.packs.get('pack-0')!
    store.packs.set('pack-0', pack.subarray(0, pack.length - 1))
    const { error } = await emitted(zip)
    expect(hasCode(error, 'blob_damaged') && error.details.paths).toEqual(['d'])
    expect(store.marked).toEqual([placeOf(file.blob.copy!)])
  })

  test('a missing pack fails the transfer and marks nothing', async () => {
    const store = createMemoryStore()
    const zip = await representZip(store.reader, store.addArtifact(specs))
    await readAll(zip)
    store.packs.clear()
    const { bytes, error } = await emitted(zip)
    expect(hasCode(error, 'blob_damaged')).toBe(true)
    expect(bytes.length).toBe(0)
    expect(store.marked).toEqual([])
  })

  test('any single failed read of a pack makes the transfer fail visibly', async () => {
    const store = createMemoryStore({ packBytes: 400_000 })
    const artifact = store.addArtifact(fullTree())
    for (const form of [
      await representZip(store.reader, artifact),
      await representTarGz(store.reader, artifact),
    ]) {
      store.reads.length = 0
      const whole = await readAll(form)
      const reads = store.reads.length
      expect(reads).toBeGreaterThan(5)
      for (let failing = 1; failing <= reads; failing++) {
        store.reads.length = 0
        const failure =
          failing % 2 === 0
            ? new Error('the disk is gone')
            : storeError('blob_damaged', 'the medium fails', { digest: null, paths: [] })
        store.beforeRead = (count) => {
          if (count === failing) throw failure
        }
        const { bytes, error } = await emitted(form)
        store.beforeRead = () => undefined
        expect(error instanceof Error).toBe(true)
        expect(bytes.length).toBeLessThan(whole.length)
        expect(bytes.equals(whole.subarray(0, bytes.length))).toBe(true)
      }
    }
  })

  test('content that does not match its CRC-32 is not sent completely', async () => {
    const store = createMemoryStore()
    const artifact = store.addArtifact([
      { kind: 'file', path: 'a', content: repetitive(9000), form: 'joining' },
    ])
    const file = await fileOf(store, artifact, 'a')
    const lying = { ...file, blob: { ...file.blob, crc32: file.blob.crc32 ^ 1 } }
    const { bytes, error } = await emitted(await representFile(store.reader, artifact, lying))
    expect(hasCode(error, 'blob_damaged') && error.details.paths).toEqual(['a'])
    expect(bytes.length).toBeLessThan(9000)
  })

  test('verifyReadable names the paths known to be damaged, among those requested', async () => {
    const store = createMemoryStore()
    const available = store.addArtifact(specs)
    const damaged = { ...available, state: 'damaged' as const }
    const { readEntryPage, readParts } = store.reader.metadata
    const file = await fileOf(store, available, 'c')
    const [, part] = await readParts(file.blob.blobId, 0, 10)
    part!.copy.damaged = true
    store.reader.metadata.readEntryPage = async (id, number) => {
      const page = structuredClone(await readEntryPage(id, number))
      const first = page?.entries[0]
      if (first?.kind === 'file') first.blob.copy!.damaged = true
      return page
    }
    const pathsOf = async (representation: Representation): Promise<unknown> => {
      const error = await failureOf(representation.verifyReadable())
      return hasCode(error, 'blob_damaged') && error.details.paths
    }
    expect(await pathsOf(await representZip(store.reader, damaged))).toEqual(['a', 'c'])
    expect(await pathsOf(await representTarGz(store.reader, damaged, { paths: ['c'] }))).toEqual([
      'c',
    ])
    expect(await pathsOf(await representFile(store.reader, damaged, file))).toEqual(['c'])
    await (await representZip(store.reader, damaged, { paths: ['[bd]'] })).verifyReadable()
    await (await representZip(store.reader, available)).verifyReadable()
  })
})
