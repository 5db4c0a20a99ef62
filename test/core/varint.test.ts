import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ByteReader, createByteReader, createByteWriter } from '../../src/core/bytes/varint.ts'

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array))
const half = 2 ** 52
const record = fc.oneof(
  fc.record({ kind: fc.constant('byte' as const), value: fc.nat(255) }),
  fc.record({
    kind: fc.constant('varint' as const),
    value: fc.oneof(fc.nat(300), fc.maxSafeNat()),
  }),
  fc.record({
    kind: fc.constant('zigzag' as const),
    value: fc.integer({ min: -half, max: half - 1 }),
  }),
  fc.record({ kind: fc.constant('raw' as const), value: bytes }),
  fc.record({ kind: fc.constant('sized' as const), value: bytes }),
)
type Written = typeof record extends fc.Arbitrary<infer T> ? T : never

function write(written: readonly Written[], initialBytes: number): Buffer {
  const out = createByteWriter(initialBytes)
  for (const { kind, value } of written) {
    if (kind === 'raw' || kind === 'sized') out[kind](value)
    else out[kind](value)
  }
  const all = out.bytes()
  expect(out.position()).toBe(all.length)
  return all
}

function read(reader: ByteReader, written: readonly Written[]): unknown[] {
  return written.map(({ kind, value }) =>
    kind === 'raw' ? reader.raw(value.length) : reader[kind](),
  )
}

test('what was written is read, and nothing is read beyond the end', () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 10 }), fc.nat(64), fc.nat(), (written, room, cut) => {
      const all = write(written, room)
      const reader = createByteReader(all)
      expect(read(reader, written)).toEqual(written.map(({ value }) => value))
      expect([reader.atEnd(), reader.position()]).toEqual([true, all.length])
      if (all.length === 0) return
      const part = createByteReader(all.subarray(0, cut % all.length))
      expect(() => read(part, written)).toThrow(RangeError)
    }),
    { numRuns: 300 },
  )
})

test('an integer of 2^53 or more is rejected', () => {
  const wide = (last: number): Buffer => Buffer.from([...Array<number>(7).fill(0xff), last])
  expect(createByteReader(wide(0x0f)).varint()).toBe(Number.MAX_SAFE_INTEGER)
  expect(() => createByteReader(wide(0x10)).varint()).toThrow(RangeError)
  expect(() => createByteReader(Buffer.alloc(1000, 0xff)).varint()).toThrow(RangeError)
  expect(() => createByteReader(Buffer.concat([wide(0xff), wide(0)])).varint()).toThrow(RangeError)
})
