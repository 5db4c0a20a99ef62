import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { inflateSync as fflateInflate } from 'fflate'
import { expect, test } from 'vitest'
import { type CopyCodec, joiningEnd } from '../../src/core/bytes/copy.ts'
import { limits } from '../../src/core/limits.ts'
import {
  decodeCopy,
  decodeJoined,
  encodeJoining,
  encodeJoiningSync,
  inflateStream,
} from '../../src/packs/codec/codec.ts'
import { haltingStream } from './halting-stream.ts'
import { turns } from '../turns.ts'

const level = fc.integer({ min: 0, max: 9 })
/** Content that deflates, content that does not, and content larger than one stored block and than
 *  the thread pool threshold. */
const content = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(fc.string({ maxLength: 40 }), fc.nat(6000))
    .map(([text, times]) => Buffer.from(text.repeat(times))),
  fc.nat(200_000).map((size) => randomBytes(size)),
)
const damaged = expect.objectContaining({ code: 'blob_damaged' })

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size))
}

test('concatenated joining streams with one end are a deflate stream of the concatenated contents', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(content, level), { maxLength: 6 }), async (parts) => {
      const streams = await Promise.all(parts.map(([bytes, at]) => encodeJoining(bytes, at)))
      const joined = Buffer.concat([...streams, joiningEnd])
      const whole = Buffer.concat(parts.map(([bytes]) => bytes))
      expect(inflateRawSync(joined).equals(whole)).toBe(true)
      expect(Buffer.from(fflateInflate(joined)).equals(whole)).toBe(true)
    }),
    { numRuns: turns(60) },
  )
})

test('a joining stream is never longer than stored blocks, and that of no bytes is empty', async () => {
  await fc.assert(
    fc.asyncProperty(content, level, async (bytes, at) => {
      const stream = await encodeJoining(bytes, at)
      expect(stream.length).toBeLessThanOrEqual(bytes.length + 5 * Math.ceil(bytes.length / 65_535))
    }),
  )
  expect(await encodeJoining(new Uint8Array(), 6)).toEqual(Buffer.alloc(0))
})

test('a stream is the same whether it is made on the pool or on the calling thread', async () => {
  await fc.assert(
    fc.asyncProperty(content, level, async (bytes, at) => {
      expect(encodeJoiningSync(bytes, at).equals(await encodeJoining(bytes, at))).toBe(true)
    }),
    { numRuns: turns(50) },
  )
  for (const bad of [-1, 10, 1.5]) {
    expect(() => encodeJoiningSync(Buffer.from('x'), bad)).toThrow(/level must be from 0 to 9/)
  }
})

test('random bytes become stored blocks exactly as RFC 1951 specifies', async () => {
  const bytes = randomBytes(65_536)
  const stream = await encodeJoining(bytes, 9)
  expect(stream.subarray(0, 5)).toEqual(Buffer.from([0, 0xff, 0xff, 0, 0]))
  expect(stream.subarray(5, 65_540).equals(bytes.subarray(0, 65_535))).toBe(true)
  expect(stream.subarray(65_540)).toEqual(
    Buffer.from([0, 1, 0, 0xfe, 0xff, bytes.readUInt8(65_535)]),
  )
  expect(await encodeJoining(bytes, 0)).toEqual(stream)
})

test('the longest possible part can be encoded at every level, whatever its content', async () => {
  const random = randomBytes(limits.coarseChunkMaxBytes)
  // Blocks of both kinds alternate.
  const mixed = Buffer.concat(
    Array.from({ length: 31 }, (_, index) =>
      index % 2 === 0 ? random.subarray(index * 30_000, (index + 1) * 30_000) : Buffer.alloc(3000),
    ),
  )
  for (const bytes of [random, mixed])
    for (let at = 0; at <= 9; at++) {
      const stream = encodeJoiningSync(bytes, at)
      expect(stream.equals(await encodeJoining(bytes, at)), `level ${at}`).toBe(true)
      expect(decodeCopy('joining', stream, bytes.length).equals(bytes)).toBe(true)
    }
})

test('a higher level does not make a longer stream of text', async () => {
  const bytes = Buffer.from(
    Array.from({ length: 5000 }, (_, index) => `line ${index * index}\n`).join(''),
  )
  const sizes = await Promise.all(
    [0, 1, 6, 9].map(async (at) => (await encodeJoining(bytes, at)).length),
  )
  expect(sizes).toEqual(sizes.toSorted((a, b) => b - a))
  expect(sizes[3]).toBeLessThan(bytes.length / 2)
})

async function encode(codec: CopyCodec, bytes: Buffer): Promise<Buffer> {
  if (codec === 'joining') return await encodeJoining(bytes, 6)
  return codec === 'deflate' ? deflateRawSync(bytes) : bytes
}
const codec = fc.constantFrom<CopyCodec>('joining', 'deflate', 'stored')

test('a copy decodes to its content, in memory and in pieces of any size', async () => {
  await fc.assert(
    fc.asyncProperty(
      codec,
      content,
      fc.integer({ min: 1, max: 70_000 }),
      async (name, bytes, size) => {
        const stream = await encode(name, bytes)
        expect(decodeCopy(name, stream, bytes.length).equals(bytes)).toBe(true)
        const step = Math.max(size, Math.ceil(stream.length / 50))
        expect(
          (await buffer(inflateStream(name, pieces(stream, step), bytes.length))).equals(bytes),
        ).toBe(true)
      },
    ),
  )
})

test('a copy whose size differs from the announced one is damaged, in memory and in pieces', async () => {
  await fc.assert(
    fc.asyncProperty(
      codec,
      content,
      fc.integer({ min: -3, max: 3 }),
      async (name, bytes, change) => {
        const announced = bytes.length + change
        fc.pre(change !== 0 && announced >= 0)
        const stream = await encode(name, bytes)
        expect(() => decodeCopy(name, stream, announced)).toThrow(damaged)
        await expect(
          buffer(inflateStream(name, pieces(stream, 50_000), announced)),
        ).rejects.toEqual(damaged)
      },
    ),
  )
})

test('bytes after the end, or a missing end, are damage', async () => {
  const bytes = Buffer.from('content '.repeat(1000))
  for (const name of ['joining', 'deflate'] as const) {
    const stream = await encode(name, bytes)
    const longer = Buffer.concat([stream, Buffer.from('x')])
    const final = Buffer.concat([deflateRawSync(bytes), Buffer.from([1, 2, 3])])
    const cut = stream.subarray(0, stream.length >> 1)
    for (const bad of [longer, final, cut, Buffer.alloc(0), randomBytes(100)]) {
      expect(() => decodeCopy(name, bad, bytes.length), name).toThrow(damaged)
      for (const size of [1, 7, 100_000]) {
        await expect(buffer(inflateStream(name, pieces(bad, size), bytes.length))).rejects.toEqual(
          damaged,
        )
      }
    }
  }
})

test('a stream that only our own final block can follow does not join', () => {
  const bytes = Buffer.from('content' + ' '.repeat(8))
  const stream = haltingStream(bytes)
  expect(inflateRawSync(Buffer.concat([stream, joiningEnd]))).toEqual(bytes)
  const next = encodeJoiningSync(Buffer.from('next'), 6)
  expect(() => inflateRawSync(Buffer.concat([stream, next, joiningEnd]))).toThrow(
    'unexpected end of file',
  )
  expect(() => decodeCopy('joining', stream, bytes.length)).toThrow(damaged)
})

test('a bomb stops at the announced size', async () => {
  const bomb = await encodeJoining(Buffer.alloc(32 * 1024 * 1024), 1)
  expect(() => decodeCopy('joining', bomb, 1000)).toThrow(damaged)
  let seenBytes = 0
  const reading = (async () => {
    for await (const piece of inflateStream('joining', pieces(bomb, 1000), 1000))
      seenBytes += piece.length
  })()
  await expect(reading).rejects.toEqual(damaged)
  expect(seenBytes).toBeLessThanOrEqual(1000)
})

test('errors of the source pass through an inflating stream', async () => {
  const cause = new Error('the source broke')
  async function* broken(): AsyncGenerator<Buffer, void, undefined> {
    yield Buffer.from([0, 1, 0, 0xfe, 0xff, 65])
    throw cause
  }
  for (const name of ['joining', 'deflate', 'stored'] as const) {
    await expect(buffer(inflateStream(name, broken(), 100))).rejects.toBe(cause)
  }
})

test('a reader that stops early closes the source', async () => {
  const stream = await encodeJoining(randomBytes(3_000_000), 0)
  for (const name of ['joining', 'stored'] as const) {
    let closed = (): void => {}
    const closing = new Promise<void>((resolve) => {
      closed = resolve
    })
    async function* watched(): AsyncGenerator<Buffer, void, undefined> {
      try {
        yield* pieces(stream, 10_000)
      } finally {
        closed()
      }
    }
    for await (const piece of inflateStream(name, watched(), 3_000_000)) {
      expect(piece.length).toBeGreaterThan(0)
      break
    }
    await closing
  }
})

test('concatenated joining copies are decoded in one run, and anything else is damage', async () => {
  const contents = [Buffer.from('one '.repeat(9000)), Buffer.alloc(0), randomBytes(70_000)]
  const streams = contents.map((bytes, index) => encodeJoiningSync(bytes, index * 3))
  const whole = Buffer.concat(contents)
  expect(await decodeJoined(streams, whole.length)).toEqual(whole)
  expect(await decodeJoined([], 0)).toEqual(Buffer.alloc(0))
  await expect(decodeJoined(streams, whole.length - 1)).rejects.toEqual(damaged)
  await expect(decodeJoined(streams, whole.length + 1)).rejects.toEqual(damaged)
  await expect(decodeJoined([Buffer.from([0x07])], 5)).rejects.toEqual(damaged)
})
