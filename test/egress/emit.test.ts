/** What is sent is verified, what cannot be read fails visibly, and memory is bounded by the
 *  window. */
import { randomBytes } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { hasCode } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { representFile, representTarGz, representZip } from '../../src/egress/egress.ts'
import { coalesce } from '../../src/egress/coalesce.ts'
import { emit, type SegmentsFrom } from '../../src/egress/emit.ts'
import { literal, type Segment, wholeCopy } from '../../src/egress/segments.ts'
import { createMemoryStore, type EntrySpec, type MemoryStore } from './memory-store.ts'
import { failureOf, fileOf, readAll } from './read-all.ts'

const MiB = 1024 * 1024

function batches(...list: Segment[][]): SegmentsFrom {
  return async function* () {
    yield* list
  }
}

async function drain(chunks: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of chunks) continue
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

  test('small neighbours are read in windows of bounded size', async () => {
    const readsOf = async (store: MemoryStore, copies: number, size: number): Promise<number[]> => {
      const small = Array.from({ length: copies }, () =>
        wholeCopy(store.store(Buffer.alloc(size), 'stored'), null),
      )
      const range = { start: 0, end: copies * size }
      await drain(emit(store.reader, batches(small), range))
      return store.reads.map(({ lengthBytes }) => lengthBytes)
    }
    const perWindow = Math.floor(limits.readWindowBytes / 10_000)
    expect(await readsOf(createMemoryStore(), 2 * perWindow + 1, 10_000)).toEqual([
      perWindow * 10_037 - 37,
      perWindow * 10_037 - 37,
      10_000,
    ])
    // The pieces of a window are objects that take more memory than such bytes.
    expect(await readsOf(createMemoryStore(), 5000, 1)).toEqual([4096 * 38 - 37, 904 * 38 - 37])
  })

  test('each pack is read once for a window, however its copies alternate', async () => {
    const store = createMemoryStore({ packBytes: 1000 })
    const copies = Array.from({ length: 30 }, () =>
      wholeCopy(store.store(randomBytes(100), 'stored'), null),
    )
    const packs = new Set(copies.map(({ copy }) => copy.packName))
    expect(packs.size).toBeGreaterThan(2)
    const shuffled = copies.map((_, index) => copies[(index * 11) % copies.length]!)
    await drain(emit(store.reader, batches(shuffled), { start: 0, end: 3000 }))
    expect(store.reads.map(({ packName }) => packName).toSorted()).toEqual([...packs].toSorted())
  })

  test('a gap wider than the limit is not read through', async () => {
    const store = createMemoryStore()
    const first = store.store(randomBytes(100), 'stored')
    store.store(randomBytes(limits.readGapBytes), 'stored')
    const second = store.store(randomBytes(100), 'stored')
    const segments = [wholeCopy(second, null), wholeCopy(first, null)]
    await drain(emit(store.reader, batches(segments), { start: 0, end: 200 }))
    expect(store.reads.map((read) => read.lengthBytes)).toEqual([100, 100])
  })

  test('the gap bytes read in one window stay below a quarter of it', async () => {
    const store = createMemoryStore()
    const wanted: Segment[] = []
    for (let index = 0; index < 200; index++) {
      wanted.push(wholeCopy(store.store(randomBytes(100), 'stored'), null))
      store.store(randomBytes(50_000), 'stored')
    }
    await drain(emit(store.reader, batches(wanted), { start: 0, end: 20_000 }))
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

  test('a download holds one smaller window while very many run', async () => {
    const store = createMemoryStore()
    const small = Array.from({ length: 200 }, () =>
      wholeCopy(store.store(Buffer.alloc(10_000), 'stored'), null),
    )
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
    store.reads.length = 0
    await drain(emit(reader, batches(small), { start: 0, end: 2_000_000 }))
    for (const other of others) await other.return(undefined)
    expect(windows.size).toBe(2)
    // With the gaps between copies.
    const bytesMax = limits.readWindowBytes / 4 + 30 * 37
    expect(Math.max(...store.reads.map(({ lengthBytes }) => lengthBytes))).toBeLessThan(bytesMax)
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
    expect(await failureOf(drain(chunks))).toBe(reason)
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

  // An unhandled rejection would end the server.
  test('a window that fails while the one before it is consumed fails the download later', async () => {
    const store = createMemoryStore()
    const copy = store.store(randomBytes(4 * MiB), 'stored')
    const gone = new Error('the disk is gone')
    store.beforeRead = (count) => {
      if (count > 1) throw gone
    }
    const unhandled: unknown[] = []
    const note = (reason: unknown): void => {
      unhandled.push(reason)
    }
    process.on('unhandledRejection', note)
    onTestFinished(() => {
      process.off('unhandledRejection', note)
    })
    const chunks = emit(store.reader, batches([wholeCopy(copy, null)]), { start: 0, end: 4 * MiB })
    await chunks.next()
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect([store.reads.length, unhandled]).toEqual([2, []])
    expect(await failureOf(drain(chunks))).toBe(gone)
  })

  test('long literals are requested as they are consumed', async () => {
    const { reader } = createMemoryStore()
    let requested = 0
    const source = async function* (): AsyncGenerator<Segment[]> {
      for (; requested < 20; requested++) yield [literal(Buffer.alloc(MiB))]
    }
    const chunks = emit(reader, source, { start: 0, end: 20 * MiB })
    await chunks.next()
    expect(requested).toBeLessThanOrEqual(3)
    await chunks.return(undefined)
  })

  // A source may hold one of the few places for walks through heavy pages.
  test.each(['stops', 'fails'])('a source is closed when its download %s', async (how) => {
    const store = createMemoryStore()
    const copy = store.store(randomBytes(4 * MiB), 'stored')
    let isClosed = false
    const source = async function* (): AsyncGenerator<Segment[]> {
      try {
        for (;;) yield [wholeCopy(copy, null)]
      } finally {
        await new Promise((resolve) => setImmediate(resolve))
        isClosed = true
      }
    }
    const chunks = emit(store.reader, source, { start: 0, end: 100 * MiB })
    await chunks.next()
    expect(isClosed).toBe(false)
    if (how === 'fails') {
      store.packs.clear()
      expect(hasCode(await failureOf(drain(chunks)), 'blob_damaged')).toBe(true)
    } else {
      await chunks.return(undefined)
    }
    expect(isClosed).toBe(true)
  })

  test('segments that do not add up to the announced length are an error', async () => {
    const source = async function* (): AsyncGenerator<Buffer[]> {
      yield [Buffer.alloc(10)]
    }
    await expect(drain(coalesce(source(), 11))).rejects.toThrow('1 too short')
    await expect(drain(coalesce(source(), 9))).rejects.toThrow('1 too long')
    await expect(drain(coalesce(source(), 10))).resolves.toBeUndefined()
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
  const content = Buffer.alloc(24 * MiB)
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
  expect(turns).toBeGreaterThan(24)
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
