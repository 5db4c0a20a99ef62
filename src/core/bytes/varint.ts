/** Unsigned LEB128 and zigzag integers up to 2^53, for the compact records in the metadata. */
import { asBuffer } from './as-buffer.ts'

/** A buffer that grows by doubling; `bytes()` returns what was written so far. */
export interface ByteWriter {
  byte(value: number): void
  varint(value: number): void
  zigzag(value: number): void
  raw(bytes: Uint8Array): void
  /** A varint length, then the bytes. */
  sized(bytes: Uint8Array): void
  /** Bytes written so far. */
  position(): number
  bytes(): Buffer
}

export function createByteWriter(initialBytes = 4096): ByteWriter {
  let buffer = Buffer.allocUnsafe(initialBytes)
  let length = 0
  const reserve = (count: number): void => {
    if (length + count <= buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, length + count))
    buffer.copy(larger, 0, 0, length)
    buffer = larger
  }
  const varint = (value: number): void => {
    reserve(8)
    let rest = value
    // Division instead of shifts, because values exceed 2^31.
    while (rest >= 0x80) {
      buffer[length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    buffer[length++] = rest
  }
  const raw = (bytes: Uint8Array): void => {
    reserve(bytes.length)
    buffer.set(bytes, length)
    length += bytes.length
  }
  return {
    byte: (value) => {
      reserve(1)
      buffer[length++] = value
    },
    varint,
    zigzag: (value) => {
      varint(value >= 0 ? value * 2 : -value * 2 - 1)
    },
    raw,
    sized: (bytes) => {
      varint(bytes.length)
      raw(bytes)
    },
    position: () => length,
    bytes: () => Buffer.from(buffer.subarray(0, length)),
  }
}

/** Reads what `createByteWriter` wrote. Throws RangeError when a read runs past the end. */
export interface ByteReader {
  byte(): number
  varint(): number
  zigzag(): number
  raw(count: number): Buffer
  sized(): Buffer
  atEnd(): boolean
  /** Bytes read so far. */
  position(): number
}

export function createByteReader(bytes: Uint8Array): ByteReader {
  const buffer = asBuffer(bytes)
  let at = 0
  const byte = (): number => {
    const value = buffer[at]
    if (value === undefined) throw new RangeError(`record ends at ${at}, more was expected`)
    at += 1
    return value
  }
  const varint = (): number => {
    let value = 0
    let scale = 1
    for (;;) {
      const next = byte()
      value += (next & 0x7f) * scale
      if (next < 0x80) break
      scale *= 0x80
    }
    if (!Number.isSafeInteger(value)) throw new RangeError('integer out of range in record')
    return value
  }
  const raw = (count: number): Buffer => {
    if (at + count > buffer.length) throw new RangeError(`record ends at ${buffer.length}`)
    at += count
    return buffer.subarray(at - count, at)
  }
  return {
    byte,
    varint,
    zigzag: () => {
      const value = varint()
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    },
    raw,
    sized: () => raw(varint()),
    atEnd: () => at === buffer.length,
    position: () => at,
  }
}
