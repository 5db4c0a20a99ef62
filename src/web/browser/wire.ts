/** The binary records of a negotiated upload, written for browsers. core/bytes/blob-exchange.ts
 *  is the version for Node; tests check both against each other. */

export interface Writer {
  byte(value: number): void
  varint(value: number): void
  zigzag(value: number): void
  raw(bytes: Uint8Array): void
  sized(bytes: Uint8Array): void
  bytes(): Uint8Array<ArrayBuffer>
}

export function createWriter(): Writer {
  const pieces: Uint8Array[] = []
  const writer: Writer = {
    byte: (value) => {
      pieces.push(Uint8Array.of(value))
    },
    varint: (value) => {
      const digits: number[] = []
      let rest = value
      for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) digits.push((rest % 0x80) | 0x80)
      pieces.push(Uint8Array.of(...digits, rest))
    },
    zigzag: (value) => {
      writer.varint(value >= 0 ? value * 2 : -value * 2 - 1)
    },
    raw: (bytes) => {
      pieces.push(bytes)
    },
    sized: (bytes) => {
      writer.varint(bytes.length)
      pieces.push(bytes)
    },
    bytes: () => joined(pieces),
  }
  return writer
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}

function fromHex(digest: string): Uint8Array {
  return Uint8Array.from({ length: digest.length / 2 }, (_, index) =>
    Number.parseInt(digest.slice(index * 2, index * 2 + 2), 16),
  )
}

/** Decodes ascending integers from their deltas. */
export function decodeOrdinals(bytes: Uint8Array): number[] {
  const ordinals: number[] = []
  let next = 0
  for (let at = 0; at < bytes.length;) {
    let value = 0
    let scale = 1
    for (; bytes[at]! >= 0x80; at++, scale *= 0x80) value += (bytes[at]! & 0x7f) * scale
    value += bytes[at++]! * scale
    ordinals.push(next + value)
    next += value + 1
  }
  return ordinals
}

/** A large file as a list of parts. */
export interface Composite {
  digest: string
  sizeBytes: number
  crc32: number
  parts: { digest: string; sizeBytes: number }[]
}

export function writeComposite(out: Writer, { digest, sizeBytes, crc32, parts }: Composite): void {
  out.raw(fromHex(digest))
  out.varint(sizeBytes)
  out.varint(crc32)
  out.varint(parts.length)
  for (const part of parts) out.raw(fromHex(part.digest))
}

/** The same values as in core/bytes/blob-exchange.ts. */
export const recordKind = { blob: 0, firstPart: 1, fileEnd: 2 } as const

/** Compares paths by their UTF-8 bytes, the order used everywhere; it equals the order of their
 *  code points. */
export function comparePaths(a: string, b: string): number {
  const [left, right] = [a[Symbol.iterator](), b[Symbol.iterator]()]
  for (;;) {
    const [x, y] = [left.next(), right.next()]
    if (x.done === true || y.done === true) return Number(y.done ?? false) - Number(x.done ?? false)
    const difference = x.value.codePointAt(0)! - y.value.codePointAt(0)!
    if (difference !== 0) return difference
  }
}

/** Encodes the modification times of one page of a manifest, in whole seconds, none of them missing
 *  (core/manifest/modification-times.ts). */
export function encodeTimes(times: readonly number[]): Uint8Array<ArrayBuffer> {
  const out = createWriter()
  let previous = 0
  for (const time of times) {
    const delta = time - previous
    // Zero means "no time", so deltas of zero or more are stored plus one.
    out.zigzag(delta >= 0 ? delta + 1 : delta)
    previous = time
  }
  return out.bytes()
}
