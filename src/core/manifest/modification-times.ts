/** Modification times of one manifest page: whole seconds since the epoch, delta-coded and
 *  deflated. They belong to the artifact and not to its manifest, so that an unchanged rebuild has
 *  an unchanged manifest. */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { createByteReader, createByteWriter } from '../bytes/varint.ts'

/** Null marks an entry uploaded without a time. Times before 1970 are kept. */
export function encodeTimes(times: readonly (number | null)[]): Buffer {
  const out = createByteWriter(times.length * 3 + 16)
  let previous = 0
  for (const time of times) {
    // Zero encodes "none", so deltas from zero up are stored plus one.
    if (time === null) {
      out.zigzag(0)
      continue
    }
    const delta = time - previous
    out.zigzag(delta >= 0 ? delta + 1 : delta)
    previous = time
  }
  return deflateRawSync(out.bytes(), { level: 9 })
}

/** Upper bound on a varint. */
const timeBytesMax = 8
/** Added to the bound on a page, so that a page without times has one too. */
const spareBytes = 16

/** Upper bound on the encoded times of `count` entries, which may not compress at all. */
export function encodedTimesBytesMax(count: number): number {
  return count * (timeBytesMax + 1) + 64
}

export function decodeTimes(bytes: Uint8Array, count: number): (number | null)[] {
  return Array.from(readTimes(bytes, count), (time) => (Number.isNaN(time) ? null : time))
}

/** Like `decodeTimes`, with NaN for entries without a time.
 *  Errors: RangeError when the bytes inflate to more than `count` times can take. */
export function readTimes(bytes: Uint8Array, count: number): Float64Array {
  const reader = createByteReader(
    inflateRawSync(bytes, { maxOutputLength: count * timeBytesMax + spareBytes }),
  )
  const times = new Float64Array(count).fill(Number.NaN)
  let previous = 0
  for (let index = 0; index < count; index++) {
    const stored = reader.zigzag()
    if (stored === 0) continue
    previous += stored > 0 ? stored - 1 : stored
    times[index] = previous
  }
  return times
}
