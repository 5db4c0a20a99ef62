/** Binary records that client and server exchange in a negotiated upload and a delta download (api/negotiation.ts). */
import type { Composite, CopyCodec } from './copy.ts'
import { type Digest, digestFromBytes, digestToBytes } from './digest.ts'
import { tooLarge } from './errors.ts'
import { limits } from './limits.ts'
import { type ByteReader, type ByteWriter, createByteReader, createByteWriter } from './varint.ts'

/** Composites of one request of `/parts`, and wants of one request of `/blobs`, take at most this many bytes: those of a
 *  file of 16 GiB. */
export const listBytesMax = 16 * 1024 * 1024

export function writeComposite(out: ByteWriter, composite: Composite): void {
  out.raw(digestToBytes(composite.digest))
  out.varint(composite.sizeBytes)
  out.varint(composite.crc32)
  out.varint(composite.parts.length)
  for (const part of composite.parts) out.raw(digestToBytes(part))
}

export function readComposite(reader: ByteReader): Composite {
  const digest = digestFromBytes(reader.raw(32))
  const sizeBytes = reader.varint()
  const crc32 = reader.varint()
  const parts: Digest[] = []
  for (let left = reader.varint(); left > 0; left--) parts.push(digestFromBytes(reader.raw(32)))
  return { digest, sizeBytes, crc32, parts }
}

/** What a record of a `/packs` body is. `firstPart`: a blob with which a large file begins that is sent whole. `fileEnd`: the
 *  blobs since then are all of it, in order, so it can be hashed while they are at hand. Of neither the digest is told. */
export const recordKind = { blob: 0, firstPart: 1, fileEnd: 2 } as const

/** What comes before a blob's joining stream in a `/packs` body. It does not say the digest: whoever receives the blob
 *  hashes it anyway, and so nobody can give content another name; 32 bytes are much for a small file. */
export interface BlobRecordHead {
  kind: 'blob' | 'firstPart'
  sizeBytes: number
  /** Of the stream that follows, without a final block. */
  lengthBytes: number
}

/** Most bytes that a record's head takes: kind and two varints. */
export const recordHeadBytesMax: number = 1 + 2 * 8

export function encodeBlobRecordHead(head: BlobRecordHead): Buffer {
  const out = createByteWriter(recordHeadBytesMax)
  out.byte(recordKind[head.kind])
  out.varint(head.sizeBytes)
  out.varint(head.lengthBytes)
  return out.bytes()
}

export const fileEndRecord: Buffer = Buffer.from([recordKind.fileEnd])

/** Ascending integers as deltas; gzip on the wire makes runs nearly free. */
export function encodeOrdinals(ordinals: Iterable<number>): Buffer {
  const out = createByteWriter()
  let next = 0
  for (const ordinal of ordinals) {
    out.varint(ordinal - next)
    next = ordinal + 1
  }
  return out.bytes()
}

export function decodeOrdinals(bytes: Uint8Array): number[] {
  const reader = createByteReader(bytes)
  const ordinals: number[] = []
  let next = 0
  while (!reader.atEnd()) {
    const ordinal = next + reader.varint()
    ordinals.push(ordinal)
    next = ordinal + 1
  }
  return ordinals
}

/** An entry of which bytes are wanted: all of it, or some of its parts. Both ascend. */
export interface Want {
  ordinal: number
  parts: number[] | null
}

export function encodeWants(wants: readonly Want[]): Buffer {
  const out = createByteWriter()
  let next = 0
  for (const { ordinal, parts } of wants) {
    out.varint(ordinal - next)
    next = ordinal + 1
    out.varint(parts === null ? 0 : parts.length + 1)
    let nextPart = 0
    for (const part of parts ?? []) {
      out.varint(part - nextPart)
      nextPart = part + 1
    }
  }
  return out.bytes()
}

/** Errors: too_large (before they are in memory, where a byte of the list takes tens), RangeError when it is malformed. */
export function decodeWants(bytes: Uint8Array): Want[] {
  const reader = createByteReader(bytes)
  const wants: Want[] = []
  let named = 0
  let next = 0
  while (!reader.atEnd()) {
    const ordinal = next + reader.varint()
    next = ordinal + 1
    const count = reader.varint()
    named += Math.max(count, 1)
    if (named > limits.fetchedStreamsMax) throw tooManyWants()
    const parts: number[] = []
    let nextPart = 0
    for (let left = count - 1; left > 0; left--) {
      const part = nextPart + reader.varint()
      parts.push(part)
      nextPart = part + 1
    }
    wants.push({ ordinal, parts: count === 0 ? null : parts })
  }
  return wants
}

function tooManyWants(): Error {
  const limitValue = limits.fetchedStreamsMax
  const reason = `more than ${limitValue} files and parts are wanted at once; ask in several requests`
  return tooLarge('files and parts of one request', limitValue, reason)
}

/** What comes before a stored stream in a `/blobs/fetch` body. A body that does not end in `fetchEnd` was cut off. */
export interface FetchedHead {
  ordinal: number
  /** Where its content belongs in the file. */
  offset: number
  sizeBytes: number
  codec: CopyCodec
  lengthBytes: number
}

export const fetchEnd = 0
const codecs: readonly CopyCodec[] = ['joining', 'deflate', 'stored']
/** Most bytes that a head takes. */
export const fetchedHeadBytesMax = 1 + 4 * 8

export function writeFetchedHead(out: ByteWriter, head: FetchedHead): void {
  out.byte(1 + codecs.indexOf(head.codec))
  out.varint(head.ordinal)
  out.varint(head.offset)
  out.varint(head.sizeBytes)
  out.varint(head.lengthBytes)
}

/** Undefined at the end. */
export function readFetchedHead(reader: ByteReader): FetchedHead | undefined {
  const kind = reader.byte()
  if (kind === fetchEnd) return undefined
  const codec = codecs[kind - 1]
  if (codec === undefined) throw new RangeError(`unknown codec ${kind}`)
  const ordinal = reader.varint()
  const offset = reader.varint()
  const sizeBytes = reader.varint()
  return { ordinal, offset, sizeBytes, codec, lengthBytes: reader.varint() }
}

/** A large file's parts, in order. */
export interface ListedParts {
  ordinal: number
  parts: { digest: Digest; sizeBytes: number }[]
}

export function writeListedParts(out: ByteWriter, { ordinal, parts }: ListedParts): void {
  out.varint(ordinal)
  out.varint(parts.length)
  for (const { digest, sizeBytes } of parts) {
    out.raw(digestToBytes(digest))
    out.varint(sizeBytes)
  }
}

export function readListedParts(reader: ByteReader): ListedParts {
  const ordinal = reader.varint()
  const parts: ListedParts['parts'] = []
  for (let left = reader.varint(); left > 0; left--) {
    parts.push({ digest: digestFromBytes(reader.raw(32)), sizeBytes: reader.varint() })
  }
  return { ordinal, parts }
}
