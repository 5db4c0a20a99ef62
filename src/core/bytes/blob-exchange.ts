/** Binary records that client and server exchange in negotiated uploads and delta downloads
 *  (api/negotiation.ts). */
import type { Composite, CopyCodec } from './copy.ts'
import { type Digest, digestFromBytes, digestToBytes } from './digest.ts'
import { tooLarge } from '../errors.ts'
import { limits } from '../limits.ts'
import { nextTurn } from '../turn.ts'
import { type ByteReader, type ByteWriter, createByteReader, createByteWriter } from './varint.ts'

/** Upper bound on the composites in one `/parts` request and on the wants in one `/blobs` request:
 *  enough for a file of 16 GiB. */
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

/** Record kinds in a `/packs` body. `firstPart`: the first blob of a large file that is sent whole.
 *  `fileEnd`: the blobs since `firstPart` are the whole file, in order, so the server can hash the
 *  file as they arrive. Neither kind carries a digest. */
export const recordKind = { blob: 0, firstPart: 1, fileEnd: 2 } as const

/** Precedes a blob's joining stream in a `/packs` body. It carries no digest: the receiver hashes
 *  the blob anyway, so no client can store content under a wrong name, and 32 bytes are a lot for a
 *  small file. */
export interface BlobRecordHead {
  kind: 'blob' | 'firstPart'
  sizeBytes: number
  /** Length of the stream that follows, without a final block. */
  lengthBytes: number
}

/** Upper bound on a record head: the kind and two varints. */
export const recordHeadBytesMax: number = 1 + 2 * 8

export function encodeBlobRecordHead(head: BlobRecordHead): Buffer {
  const out = createByteWriter(recordHeadBytesMax)
  out.byte(recordKind[head.kind])
  out.varint(head.sizeBytes)
  out.varint(head.lengthBytes)
  return out.bytes()
}

export const fileEndRecord: Buffer = Buffer.from([recordKind.fileEnd])

/** Encodes ascending integers as gaps; gzip on the wire makes consecutive runs nearly free. */
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

/** An entry whose bytes are wanted: the whole file (`parts` null) or some of its parts. Entries and
 *  parts are in ascending order. */
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

/** Names that are decoded in one turn of the event loop: about two milliseconds. The longest list
 *  takes 40 of them. */
const namesPerTurn = 8192

/** A place between two wants of an encoded list. */
export interface WantPlace {
  byte: number
  /** The least ordinal that can follow. */
  ordinal: number
}

export const firstWant: WantPlace = { byte: 0, ordinal: 0 }

/** Yields the wants of an encoded list from a place on, each with its own place and that of the
 *  next: a byte of the list expands to tens of bytes, so they are not held all. Errors: too_large;
 *  RangeError when malformed. */
export async function* readWants(
  bytes: Uint8Array,
  from: WantPlace = firstWant,
): AsyncGenerator<Want & { at: WantPlace; next: WantPlace }> {
  const reader = createByteReader(bytes.subarray(from.byte))
  let named = 0
  let decoded = 0
  let at = from
  while (!reader.atEnd()) {
    if (++decoded % namesPerTurn === 0) await nextTurn()
    const ordinal = at.ordinal + reader.varint()
    const count = reader.varint()
    named += Math.max(count, 1)
    if (named > limits.fetchedStreamsMax) throw tooManyWants()
    const parts: number[] = []
    let nextPart = 0
    for (let left = count - 1; left > 0; left--) {
      if (++decoded % namesPerTurn === 0) await nextTurn()
      const part = nextPart + reader.varint()
      parts.push(part)
      nextPart = part + 1
    }
    const next = { byte: from.byte + reader.position(), ordinal: ordinal + 1 }
    yield { ordinal, parts: count === 0 ? null : parts, at, next }
    at = next
  }
}

/** Reads a whole list. Errors: as `readWants`. */
export async function checkWants(bytes: Uint8Array): Promise<void> {
  for await (const _ of readWants(bytes)) continue
}

function tooManyWants(): Error {
  const limitValue = limits.fetchedStreamsMax
  const reason = `more than ${limitValue} files and parts in one request; split it into several`
  return tooLarge('files and parts of one request', limitValue, reason)
}

/** Precedes a stored stream in a `/blobs/fetch` body. A body that does not end with `fetchEnd` was
 *  cut off. */
export interface FetchedHead {
  ordinal: number
  /** Where the content goes in the file. */
  offset: number
  sizeBytes: number
  codec: CopyCodec
  lengthBytes: number
}

export const fetchEnd = 0
export const copyCodecs: readonly CopyCodec[] = ['joining', 'deflate', 'stored']
/** Upper bound on an encoded head. */
export const fetchedHeadBytesMax = 1 + 4 * 8

export function writeFetchedHead(out: ByteWriter, head: FetchedHead): void {
  out.byte(1 + copyCodecs.indexOf(head.codec))
  out.varint(head.ordinal)
  out.varint(head.offset)
  out.varint(head.sizeBytes)
  out.varint(head.lengthBytes)
}

/** Returns undefined at `fetchEnd`. */
export function readFetchedHead(reader: ByteReader): FetchedHead | undefined {
  const kind = reader.byte()
  if (kind === fetchEnd) return undefined
  const codec = copyCodecs[kind - 1]
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
