/** The few S3 calls that packs need, as a narrow interface through which tests inject failures.
 *  Failures are translated to the errors of the ports:
 *    not_found     the object or upload does not exist
 *    blob_damaged  the object ends before the requested range
 *    storage_full  a quota of the bucket is exhausted
 *    busy          the service does not respond, or asks to retry later
 *  A failure that a person must fix, such as rejected credentials, is an Error with the service's
 *  message. */
import { createHash } from 'node:crypto'
import { hasCode } from '../../core/errors.ts'

export interface UploadedPart {
  number: number
  etag: string
}

/** A multipart upload that is not yet complete. */
export interface PartedUpload {
  key: string
  id: string
}

/** Keys exclude the prefix. Errors of every method: those above. */
export interface Bucket {
  /** Returns undefined when the object does not exist. */
  sizeOf(key: string): Promise<number | undefined>
  /** Returns exactly these bytes; `lengthBytes` is at least 1. */
  read(key: string, offset: number, lengthBytes: number): Promise<Buffer>
  /** Returns a small object as a whole. */
  readAll(key: string): Promise<Buffer>
  /** Writes or replaces an object. Durable when it resolves. The service verifies the bytes by
   *  `md5`. */
  write(key: string, bytes: Uint8Array, md5: Buffer): Promise<void>
  /** Writes an object unless one exists; returns whether it did. */
  writeNew(key: string, bytes: Uint8Array): Promise<boolean>
  /** Absence is success. */
  remove(key: string): Promise<void>
  /** Lists the objects below a folder, in key order. */
  list(folder: string): AsyncIterable<{ key: string; sizeBytes: number; modifiedAt: number }>
  /** Begins a multipart upload, which is invisible until it is complete; returns its id. */
  beginUpload(key: string): Promise<string>
  /** Parts have at least 5 MiB, except the last. The service verifies each by `md5`. */
  writePart(
    upload: PartedUpload,
    part: { number: number; bytes: Uint8Array; md5: Buffer },
  ): Promise<UploadedPart>
  completeUpload(upload: PartedUpload, parts: UploadedPart[]): Promise<void>
  /** Drops the upload and its parts. */
  abortUpload(upload: PartedUpload): Promise<void>
  /** Lists the unfinished uploads below a folder. */
  listUploads(folder: string): AsyncIterable<PartedUpload & { begunAt: number }>
  close(): void
}

/** Returns the first 64 characters of a small object as text; undefined when it does not exist.
 *  Errors: those of a bucket. */
export async function readMark(bucket: Bucket, key: string): Promise<string | undefined> {
  try {
    return (await bucket.readAll(key)).toString('latin1', 0, 64)
  } catch (error) {
    if (hasCode(error, 'not_found')) return undefined
    throw error
  }
}

/** Writes such an object, or replaces it. Errors: those of a bucket. */
export async function writeMark(bucket: Bucket, key: string, text: string): Promise<void> {
  await bucket.write(key, Buffer.from(text), createHash('md5').update(text).digest())
}
