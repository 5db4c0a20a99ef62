import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatContentRange,
  parseByteRange,
  parseContentRange,
} from '../../src/core/bytes/byte-range.ts'

const whole = { kind: 'whole' }
const unsatisfiable = { kind: 'unsatisfiable' }
const part = (start: number, end: number): object => ({ kind: 'part', range: { start, end } })

describe('a range of 1000 bytes', () => {
  test.each([
    ['bytes=0-499', part(0, 500)],
    ['bytes=500-999', part(500, 1000)],
    ['bytes=-500', part(500, 1000)],
    ['bytes=9500-', unsatisfiable],
    ['bytes=0-0', part(0, 1)],
    ['bytes=999-', part(999, 1000)],
    ['bytes=-1', part(999, 1000)],
    // The end is clamped to the length.
    ['bytes=10-99999', part(10, 1000)],
    ['bytes=-5000', part(0, 1000)],
    ['bytes=0-99999999999999999999999999', part(0, 1000)],
    // The unit is case-insensitive; blanks and empty elements are allowed.
    ['BYTES=5-6', part(5, 7)],
    ['  bytes= 5-6 ', part(5, 7)],
    ['bytes=,5-6,', part(5, 7)],
    ['bytes= ,5-6', part(5, 7)],
    ['bytes=005-006', part(5, 7)],
    // Entirely beyond the end.
    ['bytes=1000-', unsatisfiable],
    ['bytes=1000-2000', unsatisfiable],
    ['bytes=-0', unsatisfiable],
    ['bytes=99999999999999999999999998-99999999999999999999999999', unsatisfiable],
    // Several ranges: the whole.
    ['bytes=0-1,5-6', whole],
    // Invalid: ignored.
    [undefined, whole],
    ['', whole],
    ['bytes', whole],
    ['bytes=', whole],
    ['bytes=-', whole],
    ['bytes=,', whole],
    ['bytes=6-5', whole],
    ['bytes=6-005', whole],
    ['bytes=99999999999999999999999999-99999999999999999999999998', whole],
    ['bytes=5', whole],
    ['bytes=a-b', whole],
    ['bytes=1-2-3', whole],
    ['bytes=+1-2', whole],
    ['bytes=1.5-2', whole],
    ['bytes=0x1-0x2', whole],
    ['bytes =0-1', whole],
    ['items=0-1', whole],
    ['xbytes=0-1', whole],
    ['bytes: 0-1', whole],
  ])('%j', (field, answer) => {
    expect(parseByteRange(field, 1000)).toEqual(answer)
  })
})

test('an empty representation has no part', () => {
  expect(parseByteRange('bytes=0-', 0)).toEqual(unsatisfiable)
  expect(parseByteRange('bytes=-5', 0)).toEqual(whole)
  expect(parseByteRange('bytes=-0', 0)).toEqual(unsatisfiable)
})

const position = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.maxSafeNat())

test('a range from first to last covers the bytes from first to last', () => {
  fc.assert(
    fc.property(position, position, position, (a, b, totalBytes) => {
      const [first, last] = a <= b ? [a, b] : [b, a]
      const answer = parseByteRange(`bytes=${first}-${last}`, totalBytes)
      if (first >= totalBytes) expect(answer).toEqual(unsatisfiable)
      else expect(answer).toEqual(part(first, Math.min(last + 1, totalBytes)))
    }),
  )
})

test('a part is never empty, lies within the whole, and its Content-Range describes it', () => {
  const text = fc.oneof(
    fc.tuple(position, position).map(([a, b]) => `bytes=${a}-${b}`),
    position.map((a) => `bytes=${a}-`),
    position.map((a) => `bytes=-${a}`),
    fc.string().map((rest) => `bytes=${rest}`),
    fc.stringMatching(/^bytes=[0-9 ,-]{0,12}$/),
  )
  fc.assert(
    fc.property(text, position, (field, totalBytes) => {
      const answer = parseByteRange(field, totalBytes)
      if (answer.kind !== 'part') return
      const { start, end } = answer.range
      expect(0 <= start && start < end && end <= totalBytes).toBe(true)
      const written = formatContentRange(answer.range, totalBytes)
      const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(written)!
      expect([Number(first), Number(last) + 1, Number(total)]).toEqual([start, end, totalBytes])
      expect(parseContentRange(written)).toEqual({ start, end, totalBytes })
    }),
    { numRuns: 1000 },
  )
})

test.each([
  null,
  '',
  'bytes 0-4/*',
  'bytes */9',
  'bytes 0-4',
  'bytes -4/9',
  'bytes 0-/9',
  'bytes0-4/9',
  'xbytes 0-4/9',
  'items 0-4/9',
  'bytes 0-4/9,5-8/9',
])('the Content-Range %j names no part of a known whole', (field) => {
  expect(parseContentRange(field)).toBeUndefined()
})
