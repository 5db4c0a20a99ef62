/** The negotiated upload, as both sides speak it (API §2 `/uploads`). Bodies are binary, because a manifest may have
 *  hundreds of thousands of entries and a re-upload should cost kilobytes.
 *
 *    1. POST /uploads                    JSON: who, name, tree digest, times digest. Known in this project: the artifact, done.
 *    2. POST /uploads/{id}/manifest      gzip of the manifest's canonical text (core/manifest.ts), then the gzipped times.
 *                                        Answer: which files are missing, as ordinals of entries.
 *    3. POST /uploads/{id}/parts         for missing files of at least `limits.chunkThresholdBytes`: their parts.
 *                                        Answer: which parts are missing, as ordinals of the parts sent.
 *    4. POST /uploads/{id}/packs         records of missing blobs, deflated; any number of requests at once.
 *    5. POST /uploads/{id}/commit        the artifact; or 409 with what is still missing.
 *
 *  Every step can be repeated. The same job offering the same tree under the same name finds its open session again.
 *  "Missing" is everything that the project cannot read yet and that this session has not sent (invariant 10). */
import { type Digest, digestFromBytes, digestToBytes } from '../core/digest.ts'
import {
  type ByteReader,
  type ByteWriter,
  createByteReader,
  createByteWriter,
} from '../core/varint.ts'

export const manifestMediaType = 'application/x-trove-manifest'
export const partsMediaType = 'application/x-trove-parts'
export const packMediaType = 'application/x-trove-blobs'
export const ordinalsMediaType = 'application/x-trove-ordinals'

/** One request of `/parts` or `/packs` holds at most this much; clients send several. */
export const requestBytesMax = 64 * 1024 * 1024

/** A large file as its parts; the parts' sizes are those of their blobs. */
export interface OfferedComposite {
  digest: Digest
  sizeBytes: number
  crc32: number
  parts: Digest[]
}

export function writeComposite(out: ByteWriter, composite: OfferedComposite): void {
  out.raw(digestToBytes(composite.digest))
  out.varint(composite.sizeBytes)
  out.varint(composite.crc32)
  out.varint(composite.parts.length)
  for (const part of composite.parts) out.raw(digestToBytes(part))
}

export function readComposite(reader: ByteReader): OfferedComposite {
  const digest = digestFromBytes(reader.raw(32))
  const sizeBytes = reader.varint()
  const crc32 = reader.varint()
  const parts: Digest[] = []
  for (let left = reader.varint(); left > 0; left--) parts.push(digestFromBytes(reader.raw(32)))
  return { digest, sizeBytes, crc32, parts }
}

/** What comes before a blob's joining stream in a `/packs` body: 32 bytes of digest, then two varints. */
export interface BlobRecordHead {
  digest: Digest
  sizeBytes: number
  /** Of the stream that follows, without a final block. */
  lengthBytes: number
}

export function encodeBlobRecordHead(head: BlobRecordHead): Buffer {
  const out = createByteWriter(48)
  out.raw(digestToBytes(head.digest))
  out.varint(head.sizeBytes)
  out.varint(head.lengthBytes)
  return out.bytes()
}

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
