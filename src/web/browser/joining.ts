/** Encodes blobs as the store keeps them: raw deflate that ends on a byte boundary without a
 *  final block, or stored blocks if these are shorter (packs/codec/codec.ts). */
import { Deflate, deflateSync, inflateSync } from 'fflate'
import { joined } from './wire.ts'

const storedBlockBytesMax = 65_535

/** One deflated byte. It can be appended to a joining stream only if that ends correctly. */
const marker = 0x5a
const markerStream = deflateSync(Uint8Array.of(marker))

export function encodeJoining(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return bytes
  const storedBytes = bytes.length + 5 * Math.ceil(bytes.length / storedBlockBytesMax)
  const deflated = deflateToByte(bytes)
  return deflated !== undefined && deflated.length < storedBytes
    ? deflated
    : storedBlocks(bytes, storedBytes)
}

function deflateToByte(bytes: Uint8Array): Uint8Array | undefined {
  const pieces: Uint8Array[] = []
  const deflate = new Deflate({ level: 6 }, (piece) => {
    pieces.push(piece)
  })
  deflate.push(bytes, false)
  deflate.flush(true)
  // fflate 0.8.3 writes the lengths of the empty block that ends a flush at the wrong place if the
  // data ends six or seven bits into a byte. The byte in which the data ends is always right. The
  // block's header of three zero bits either ends in that byte or continues into one more zero
  // byte, so both are tried.
  const [ending = new Uint8Array(1)] = pieces.splice(-1)
  const data = joined([...pieces, ending.subarray(0, 1)])
  return [joined([data, lengths]), joined([data, Uint8Array.of(0), lengths])].find((stream) =>
    holds(stream, bytes),
  )
}

/** LEN and NLEN of an empty stored block, RFC 1951 §3.2.4. */
const lengths = Uint8Array.of(0, 0, 0xff, 0xff)

/** Whether the stream decodes to the bytes. fflate's inflate accepts a truncated stream, so the
 *  marker is decoded after it. */
function holds(stream: Uint8Array, bytes: Uint8Array): boolean {
  try {
    const content = inflateSync(joined([stream, markerStream]), {
      out: new Uint8Array(bytes.length + 2),
    })
    return (
      content.length === bytes.length + 1 &&
      content[bytes.length] === marker &&
      bytes.every((byte, index) => byte === content[index])
    )
  } catch {
    return false
  }
}

/** Encodes as stored blocks, RFC 1951 §3.2.4. */
function storedBlocks(bytes: Uint8Array, length: number): Uint8Array {
  const stream = new Uint8Array(length)
  const view = new DataView(stream.buffer)
  let at = 0
  for (let start = 0; start < bytes.length; start += storedBlockBytesMax) {
    const block = bytes.subarray(start, start + storedBlockBytesMax)
    view.setUint16(at + 1, block.length, true)
    view.setUint16(at + 3, block.length ^ 0xffff, true)
    stream.set(block, at + 5)
    at += 5 + block.length
  }
  return stream
}

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

export function crc32(bytes: Uint8Array, seed = 0): number {
  let value = ~seed
  for (const byte of bytes) value = (value >>> 8) ^ table[(value ^ byte) & 0xff]!
  return ~value >>> 0
}
