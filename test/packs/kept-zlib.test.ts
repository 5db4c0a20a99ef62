import { randomBytes } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import zlib, { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { deflateInto, inflateJoiningInto } from '../../src/packs/codec/kept-zlib.ts'

const content = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(fc.string({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 6000 }))
    .map(([text, times]) => Buffer.from(text.repeat(times))),
  fc.integer({ min: 1, max: 200_000 }).map((size) => randomBytes(size)),
)

function deflated(bytes: Buffer, level: number): Buffer {
  const target = Buffer.alloc(bytes.length + 100)
  return target.subarray(0, deflateInto(target, bytes, level))
}

test('engines are kept on this version of Node', () => {
  expect(inflateJoiningInto(Buffer.alloc(1), Buffer.alloc(0), 0)).toBeUndefined()
})

test('no engine is built at work once the codec is prepared', async () => {
  // Other tests have built engines in the same process.
  vi.resetModules()
  onTestFinished(() => void vi.resetModules())
  const builders = [vi.spyOn(zlib, 'createDeflateRaw'), vi.spyOn(zlib, 'createInflateRaw')]
  syncBuiltinESMExports()
  onTestFinished(() => {
    for (const builder of builders) builder.mockRestore()
    syncBuiltinESMExports()
  })
  const built = (): number => builders.reduce((sum, { mock }) => sum + mock.calls.length, 0)
  const { decodeCopy, encodeJoiningSync, prepareCodec } =
    await import('../../src/packs/codec/codec.ts')
  prepareCodec(1)
  const prepared = built()
  const bytes = Buffer.from('some text, some text')
  expect(decodeCopy('joining', encodeJoiningSync(bytes, 1), bytes.length)).toEqual(bytes)
  expect(built()).toBe(prepared)
  encodeJoiningSync(bytes, 7)
  expect(built()).toBe(prepared + 1)
})

// Not the same bytes: at the fast levels zlib finds other matches after a reset, in about one blob
// of 10,000.
test('a kept engine makes a complete stream, as short as that of a new engine, whatever it made before', () => {
  fc.assert(
    fc.property(content, fc.integer({ min: 1, max: 9 }), (bytes, level) => {
      const options = { level, finishFlush: constants.Z_SYNC_FLUSH, chunkSize: bytes.length + 100 }
      const kept = deflated(bytes, level)
      expect(inflateRawSync(kept, { finishFlush: constants.Z_SYNC_FLUSH }).equals(bytes)).toBe(true)
      const fresh = deflateRawSync(bytes, options).length
      expect(kept.length).toBeLessThanOrEqual(fresh + matchBytesMax)
    }),
  )
})

/** Upper bound on the size of one match and its codes, with room for a different choice of
 *  block. */
const matchBytesMax = 16

test('an engine inflates correctly after a bad stream', () => {
  fc.assert(
    fc.property(content, fc.uint8Array({ maxLength: 500 }), (bytes, noise) => {
      const target = Buffer.alloc(bytes.length + 1)
      inflateJoiningInto(target, noise, bytes.length)
      expect(inflateJoiningInto(target, deflated(bytes, 6), bytes.length)).toBeUndefined()
      expect(target.subarray(0, bytes.length).equals(bytes)).toBe(true)
    }),
  )
})

test('the fault of a stream is reported', () => {
  const bytes = Buffer.from('content '.repeat(1000))
  const stream = deflated(bytes, 6)
  const target = Buffer.alloc(20_000)
  const inflate = (changed: Uint8Array, sizeBytes = bytes.length): unknown =>
    inflateJoiningInto(target, changed, sizeBytes)
  expect(inflate(stream)).toBeUndefined()
  expect(inflate(stream, bytes.length - 1)).toBe('too long')
  expect(inflate(stream, bytes.length + 1)).toBe('too short')
  expect(inflate(Buffer.concat([deflateRawSync(bytes), Buffer.from('x')]))).toBe('has more')
  // Its own final block ends it too early for the follower.
  expect(inflate(deflateRawSync(bytes))).toBe('corrupt')
  expect(inflate(stream.subarray(0, stream.length - 3))).toBe('corrupt')
  expect(inflate(Buffer.from([0xff, 0xff, 0xff]))).toBe('corrupt')
})

test('a target that is too short is an error', () => {
  expect(() => deflateInto(Buffer.alloc(10), randomBytes(1000), 6)).toThrow(/too short/)
})
