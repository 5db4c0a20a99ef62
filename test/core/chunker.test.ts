import { createHash, randomBytes } from 'node:crypto'
import { deflateRawSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createChunker, cutChunks, isCompressed } from '../../src/core/bytes/chunker.ts'
import { type ChunkSizes, chunkSizes, coarseChunkSizes } from '../../src/core/bytes/cut-points.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'

/** Small enough that a property sees many cuts of every kind. */
const small: ChunkSizes = { minBytes: 64, averageBytes: 256, maxBytes: 1024 }

/** Returns the same bytes for the same seed, on every machine. */
function seededBytes(seed: string, sizeBytes: number): Buffer {
  return createHash('shake256', { outputLength: sizeBytes }).update(seed).digest()
}

async function* inPieces(bytes: Buffer, sizes: number[]): AsyncGenerator<Buffer, void, undefined> {
  let at = 0
  for (let turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? bytes.length
    yield bytes.subarray(at, at + size)
    at += size
  }
}

function cutWhole(bytes: Buffer, sizes: ChunkSizes): Buffer[] {
  const chunker = createChunker(sizes)
  const chunks = chunker.push(bytes)
  const last = chunker.finish()
  return last === undefined ? chunks : [...chunks, last]
}

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(chunk)
  return chunks
}

const contents = fc.oneof(
  fc
    .tuple(fc.string({ minLength: 1 }), fc.nat(20_000))
    .map(([seed, size]) => seededBytes(seed, size)),
  fc.tuple(fc.nat(255), fc.nat(20_000)).map(([byte, size]) => Buffer.alloc(size, byte)),
)

// Cut points decide what deduplicates against stored chunks. If this test fails, chunks on disk no
// longer match new ones.
test('cut points match those of the chunks on disk', () => {
  const bytes = seededBytes('golden', 2 * 1024 * 1024)
  const lengths = (sizes: ChunkSizes): number[] =>
    cutWhole(bytes, sizes).map((chunk) => chunk.length)
  expect(lengths(chunkSizes)).toMatchInlineSnapshot(`
    [
      40154,
      38488,
      39362,
      35860,
      34724,
      37047,
      47531,
      9518,
      39840,
      21158,
      41853,
      40689,
      35294,
      39319,
      43176,
      49977,
      67390,
      55145,
      38587,
      32820,
      47643,
      33517,
      52029,
      37631,
      33417,
      38077,
      36065,
      43666,
      33525,
      35764,
      14192,
      46162,
      45739,
      16538,
      33983,
      27631,
      35947,
      38913,
      32784,
      16432,
      54410,
      28775,
      34388,
      46209,
      15468,
      39052,
      18809,
      34701,
      37190,
      42748,
      45131,
      33415,
      37460,
      35692,
      40293,
      17442,
      38851,
      9531,
    ]
  `)
  expect(lengths(coarseChunkSizes)).toMatchInlineSnapshot(`
    [
      1047552,
      619285,
      430315,
    ]
  `)
  expect(
    lengths({ minBytes: 4096, averageBytes: 8192, maxBytes: 16_384 }).length,
  ).toMatchInlineSnapshot(`221`)
  expect(digestOf(lengths(small).join())).toMatchInlineSnapshot(
    `"e7a9194e881b0e2d500944dc2b89d4a5aba36a594d32280976e37b43d5fd3939"`,
  )
})

test('chunks concatenate to the content and do not depend on how it was split', async () => {
  await fc.assert(
    fc.asyncProperty(
      contents,
      fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 5 }),
      async (bytes, pieceSizes) => {
        const whole = cutWhole(bytes, small)
        expect(Buffer.concat(whole).equals(bytes)).toBe(true)
        const pieced = await collect(cutChunks(inPieces(bytes, pieceSizes), small))
        expect(pieced.map((chunk) => chunk.length)).toEqual(whole.map((chunk) => chunk.length))
        expect(Buffer.concat(pieced).equals(bytes)).toBe(true)
      },
    ),
    { examples: [[seededBytes('bytewise', 5000), [1]]] },
  )
})

test('chunks keep to their bounds, except that the last one may be short', () => {
  fc.assert(
    fc.property(contents, (bytes) => {
      const chunks = cutWhole(bytes, small)
      for (const [index, chunk] of chunks.entries()) {
        expect(chunk.length).toBeLessThanOrEqual(small.maxBytes)
        expect(chunk.length).toBeGreaterThan(0)
        if (index < chunks.length - 1) expect(chunk.length).toBeGreaterThanOrEqual(small.minBytes)
      }
    }),
  )
})

test('the average chunk size of random content is near the requested average', () => {
  const bytes = seededBytes('average', 24 * 1024 * 1024)
  for (const [sizes, low, high] of [
    [chunkSizes, 28, 44],
    [coarseChunkSizes, 400, 660],
  ] as const) {
    const averageKiB = bytes.length / cutWhole(bytes, sizes).length / 1024
    expect(averageKiB).toBeGreaterThan(low)
    expect(averageKiB).toBeLessThan(high)
  }
})

// The purpose of content-defined chunking: an edit changes the chunks around it, not all that
// follow.
test('an insertion changes few chunks', () => {
  const before = seededBytes('edit', 8 * 1024 * 1024)
  const after = Buffer.concat([
    before.subarray(0, 3_000_000),
    Buffer.from('inserted'),
    before.subarray(3_000_000),
  ])
  const known = new Set(cutWhole(before, chunkSizes).map(digestOf))
  const fresh = cutWhole(after, chunkSizes).filter((chunk) => !known.has(digestOf(chunk)))
  expect(fresh.length).toBeGreaterThanOrEqual(1)
  expect(fresh.length).toBeLessThanOrEqual(4)
})

test('content without cut points is cut at the maximum', () => {
  const lengths = cutWhole(Buffer.alloc(600 * 1024), chunkSizes).map((chunk) => chunk.length / 1024)
  expect(lengths).toEqual([128, 128, 128, 128, 88])
})

test('far into a file chunks are coarse, wherever the pieces end', () => {
  const bytes = seededBytes('far', 6 * 1024 * 1024)
  const cut = (pieceBytes: number, coarseAfterBytes = 1_000_000): Buffer[] => {
    const chunker = createChunker(chunkSizes, coarseAfterBytes)
    const chunks: Buffer[] = []
    for (let at = 0; at < bytes.length; at += pieceBytes)
      chunks.push(...chunker.push(bytes.subarray(at, at + pieceBytes)))
    const last = chunker.finish()
    return last === undefined ? chunks : [...chunks, last]
  }
  const whole = cut(bytes.length)
  let begin = 0
  let index = 0
  for (const chunk of cutWhole(bytes, chunkSizes)) {
    if (begin >= 1_000_000) break
    expect(whole[index++]!.equals(chunk)).toBe(true)
    begin += chunk.length
  }
  const lengths = (chunks: Buffer[]): number[] => chunks.map((chunk) => chunk.length)
  const rest = cutWhole(bytes.subarray(begin), coarseChunkSizes)
  expect(lengths(whole.slice(index))).toEqual(lengths(rest))
  expect(Buffer.concat(whole).equals(bytes)).toBe(true)
  for (const pieceBytes of [10_000, 700_001]) {
    const pieced = cut(pieceBytes)
    expect(lengths(pieced)).toEqual(lengths(whole))
    expect(Buffer.concat(pieced).equals(bytes)).toBe(true)
  }
  // From the chunk on that begins there.
  expect(lengths(cut(bytes.length, begin))).toEqual(lengths(whole))
  expect(lengths(cut(bytes.length, begin + 1))).not.toEqual(lengths(whole))
})

test('a chunk owns its memory, so the pieces may be reused', async () => {
  const piece = Buffer.alloc(100)
  async function* reusing(): AsyncGenerator<Buffer, void, undefined> {
    for (let turn = 0; turn < 50; turn++) yield piece.fill(turn)
  }
  const chunks = await collect(cutChunks(reusing(), small))
  const expected = Buffer.concat(Array.from({ length: 50 }, (_, turn) => Buffer.alloc(100, turn)))
  expect(Buffer.concat(chunks).equals(expected)).toBe(true)
  for (const chunk of chunks) expect(chunk.buffer.byteLength).toBe(chunk.length)
})

test('empty content has no chunks, whether it comes as no pieces or as empty ones', async () => {
  expect(await collect(cutChunks(inPieces(Buffer.alloc(0), [1]), small))).toEqual([])
  const chunker = createChunker(small)
  expect(chunker.push(Buffer.alloc(0))).toEqual([])
  expect(chunker.finish()).toBeUndefined()
})

test('impossible chunk sizes are rejected', () => {
  for (const sizes of [
    { ...small, averageBytes: 300 },
    { ...small, minBytes: 16 },
    { ...small, minBytes: 512 },
    { ...small, maxBytes: 128 },
    { ...small, averageBytes: 2 ** 29, maxBytes: 2 ** 29 },
  ]) {
    expect(() => createChunker(sizes)).toThrow(/must be a power of two|must ascend|at most 30/)
  }
})

test('every coarse chunk fits one check page, even as stored blocks', () => {
  const blocks = Math.ceil(coarseChunkSizes.maxBytes / 65_535)
  expect(coarseChunkSizes.maxBytes + 5 * blocks).toBeLessThanOrEqual(limits.checkPageBytes)
})

// Compressed files are cut into coarse chunks, so a format that is no longer recognized would not
// deduplicate against what is stored.
test('compressed data is recognized by its magic number', () => {
  const text = Buffer.from('plain text that deflates well '.repeat(100))
  expect(isCompressed(gzipSync(text))).toBe(true)
  for (const [at, magic] of [
    [0, '\x1f\x8b\x08'],
    [0, 'PK\x03\x04'],
    [0, '\x28\xb5\x2f\xfd'],
    [0, '\xfd7zXZ\0'],
    [0, 'BZh'],
    [0, '\x04\x22\x4d\x18'],
    [0, '7z\xbc\xaf\x27\x1c'],
    [0, 'Rar!\x1a\x07'],
    [0, '\x89PNG\r\n\x1a\n'],
    [0, '\xff\xd8\xff'],
    [0, 'GIF8'],
    [8, 'WEBPVP8'],
    [0, 'wOFF'],
    [0, 'wOF2'],
    [4, 'ftyp'],
    [0, '\x1a\x45\xdf\xa3'],
    [0, 'OggS'],
    [0, 'fLaC'],
    [0, 'ID3'],
  ] as const) {
    const sample = Buffer.from(text)
    sample.write(magic, at, 'latin1')
    expect(isCompressed(sample), magic).toBe(true)
    expect(isCompressed(sample.subarray(0, at + magic.length)), magic).toBe(true)
    expect(isCompressed(sample.subarray(0, at + magic.length - 1)), magic).toBe(false)
  }
})

test('compressed data is recognized because it does not deflate', () => {
  const text = Buffer.from(
    Array.from({ length: 20_000 }, (_, line) => `${line * line} text\n`).join(''),
  )
  expect(isCompressed(text)).toBe(false)
  expect(isCompressed(deflateRawSync(text))).toBe(true)
  expect(isCompressed(randomBytes(100_000))).toBe(true)
  // Zeros in 3,000 of 65,536 bytes save more than 3 %.
  const bytes = randomBytes(64 * 1024)
  expect(isCompressed(bytes.fill(0, 0, 3000))).toBe(false)
  expect(isCompressed(Buffer.alloc(0))).toBe(false)
  // Too short to tell.
  expect(isCompressed(randomBytes(1023))).toBe(false)
  expect(isCompressed(randomBytes(1024))).toBe(true)
  // Only the beginning counts.
  expect(isCompressed(Buffer.concat([randomBytes(64 * 1024), Buffer.alloc(20_000)]))).toBe(true)
})
