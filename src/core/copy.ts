/** Copies: the stored form of a blob and where it lies. */
import type { Digest } from './digest.ts'

/** `joining`: raw deflate ended by a sync flush, not final; followed in the pack by `03 00`, which is not counted here.
 *  `deflate`: a foreign zip's own complete deflate stream. `stored`: a foreign zip's own uncompressed member. */
export type CopyCodec = 'joining' | 'deflate' | 'stored'

/** A stream's identity: the same bytes mean one thing as a deflate stream and another as a stored member. */
export interface StreamName {
  streamDigest: Digest
  codec: CopyCodec
}

/** As a key of maps. */
export type StreamKey = `${CopyCodec} ${Digest}`

export function streamKey({ streamDigest, codec }: StreamName): StreamKey {
  return `${codec} ${streamDigest}`
}

/** The empty final block that ends a joining stream (fixed Huffman, end of block). */
export const joiningEnd: Buffer = Buffer.from([0x03, 0x00])

/** What a blob is, wherever it lies. */
export interface BlobFacts {
  digest: Digest
  sizeBytes: number
  crc32: number
}

/** A blob made of others, in order, whose sizes add up to its own. */
export interface Composite extends BlobFacts {
  parts: Digest[]
}

/** A copy as it is registered: its bytes are durable in a pack already. */
export interface NewCopy {
  blob: BlobFacts
  /** SHA-256 of the stored bytes (without a joining stream's final `03 00`). */
  streamDigest: Digest
  codec: CopyCodec
  offset: number
  lengthBytes: number
  checks: Uint8Array
}

/** A stream and its place. `checks` holds the CRC-32 (little-endian) of each `limits.checkPageBytes` of the stream. */
export interface Copy {
  streamId: number
  codec: CopyCodec
  packName: string
  offset: number
  lengthBytes: number
  checks: Uint8Array
  /** Set by scrub or by a reader that met bad bytes; such a copy counts as missing. */
  damaged: boolean
}

/** A stream, and where it was read: what its bytes were there says nothing of a copy that lies elsewhere by now. */
export type StreamPlace = Pick<Copy, 'streamId' | 'packName' | 'offset'>

export function placeOf({ streamId, packName, offset }: StreamPlace): StreamPlace {
  return { streamId, packName, offset }
}

/** A blob and how it can be read: from one copy, or, when it is a composite, from its parts in order. */
export interface BlobPlacement extends BlobFacts {
  blobId: number
  /** Null for a composite. */
  copy: Copy | null
  /** 0 unless it is a composite. */
  partCount: number
  /** Bytes of the blob as one deflate stream without the final `03 00`: a composite's parts joined. For a single
   *  copy, its `lengthBytes`. */
  joinedBytes: number
}

/** One part of a composite: always a joining copy. */
export interface Part {
  sizeBytes: number
  crc32: number
  copy: Copy
}
