/** A download: one form of an artifact, a file or a run. Its length is known before its first
 *  byte, except for a list of blobs. Its bytes never change under one ETag, and any half-open range
 *  of it can be produced on its own. */
import type { Digest } from '../core/bytes/digest.ts'

export interface Representation {
  contentType: string
  /** Suggested to browsers; not sanitized for any file system. */
  fileName: string
  /** Infinity where it is not known in advance: then there are no ranges of it. */
  totalBytes: number
  /** Strong and quoted: a function of exactly the facts that determine the bytes. */
  etag: string
  /** SHA-256 of the whole representation, where it is known without reading it. */
  digest: Digest | null
  /** `gzip` for the gzip form of a single file. */
  contentEncoding: 'gzip' | null
  /** Checks, before a status is sent, that the metadata lists every copy that the representation
   *  needs as present and undamaged.
   *  Errors: blob_damaged, with the paths. */
  verifyReadable(): Promise<void>
  /** Yields the bytes of `[start, end)`, in order, in chunks of 16 KiB to 1 MiB (the last may be
   *  shorter), each checked against its stored CRC first. Holds at most two read windows. Ends
   *  early only by throwing.
   *  Errors: blob_damaged. */
  read(start: number, end: number, signal?: AbortSignal): AsyncIterable<Buffer>
}
