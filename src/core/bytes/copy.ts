/** Copies: the stored form of a blob and its place in a pack. */
import type { Digest } from './digest.ts'

/** `joining`: raw deflate ended by a sync flush instead of a final block; in the pack `03 00`
 *  follows, which is not counted here. `deflate`: the complete deflate stream of a foreign zip.
 *  `stored`: an uncompressed member of a foreign zip. */
export type CopyCodec = 'joining' | ForeignCodec
export type ForeignCodec = 'deflate' | 'stored'

/** The codec of a member of a foreign zip, by its compression method (APPNOTE 4.4.5): 0 or 8. */
export function foreignCodecOf(method: number): ForeignCodec {
  return method === 0 ? 'stored' : 'deflate'
}

/** Identity of a stream. The codec is part of it because the same bytes mean one thing as a deflate
 *  stream and another as a stored member. */
export interface StreamName {
  streamDigest: Digest
  codec: CopyCodec
}

/** A stream's identity as a map key. */
export type StreamKey = `${CopyCodec} ${Digest}`

export function streamKey({ streamDigest, codec }: StreamName): StreamKey {
  return `${codec} ${streamDigest}`
}

/** The empty final block that ends a joining stream (fixed Huffman, end of block). */
export const joiningEnd: Buffer = Buffer.from([0x03, 0x00])

/** What identifies a blob, independent of where it is stored. */
export interface BlobFacts {
  digest: Digest
  sizeBytes: number
  crc32: number
}

/** A blob made of other blobs, in order; their sizes add up to its own. */
export interface Composite extends BlobFacts {
  parts: Digest[]
}

/** A copy about to be registered. Its bytes are already durable in a pack. */
export interface NewCopy {
  blob: BlobFacts
  /** SHA-256 of the stored bytes (without a joining stream's final `03 00`). */
  streamDigest: Digest
  codec: CopyCodec
  offset: number
  lengthBytes: number
  checks: Uint8Array
}

/** A stream and its place. `checks` holds the CRC-32 (little-endian) of each page of
 *  `limits.checkPageBytes`. */
export interface Copy {
  streamId: number
  codec: CopyCodec
  packName: string
  offset: number
  lengthBytes: number
  checks: Uint8Array
  /** Set by scrub, or by a reader that found bad bytes. A damaged copy counts as missing. */
  damaged: boolean
}

/** A stream and where it was read. Damage found there says nothing about a copy that has since
 *  moved elsewhere. */
export type StreamPlace = Pick<Copy, 'streamId' | 'packName' | 'offset'>

export function placeOf({ streamId, packName, offset }: StreamPlace): StreamPlace {
  return { streamId, packName, offset }
}

/** A blob and how to read it: from one copy, or, for a composite, from its parts in order. */
export interface BlobPlacement extends BlobFacts {
  blobId: number
  /** Null for a composite. */
  copy: Copy | null
  /** 0 unless the blob is a composite. */
  partCount: number
  /** Length of the blob as one deflate stream without the final `03 00`: for a composite, of its
   *  joined parts; otherwise the copy's `lengthBytes`. */
  joinedBytes: number
}

/** One part of a composite; its copy is always `joining`. */
export interface Part {
  sizeBytes: number
  crc32: number
  copy: Copy
}
