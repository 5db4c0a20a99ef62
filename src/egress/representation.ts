/** What a download is: a form in which an artifact, a file or a run is served. Its length is known before its first
 *  byte, its bytes never change under one ETag, and any half-open range of it can be produced on its own. */
import type { Digest } from '../core/digest.ts'

export interface Representation {
  contentType: string
  /** Offered to browsers; not screened for any file system. */
  fileName: string
  totalBytes: number
  /** Strong, quoted: a function of what decides the bytes, and of nothing else. */
  etag: string
  /** SHA-256 of the whole representation where it is known without reading it. */
  digest: Digest | null
  /** `gzip` for the compressed form of a single file. */
  contentEncoding: 'gzip' | null
  /** Checks that every copy the representation needs is present and undamaged in the metadata, before a status is
   *  sent. Errors: blob_damaged, naming the paths. */
  verifyReadable(): Promise<void>
  /** The bytes of `[start, end)`, in order, in chunks between 16 KiB and 1 MiB (the last may be shorter), each checked
   *  against its stored CRC before it is yielded. Holds at most two read windows. Ends early only by throwing.
   *  Errors: blob_damaged. */
  read(start: number, end: number, signal?: AbortSignal): AsyncIterable<Buffer>
}
