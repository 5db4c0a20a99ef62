/** The few calls of S3 that packs need, as a narrow interface: tests spoil calls through it. Failures come in the words of
 *  the ports:
 *    not_found     there is no such object or upload;
 *    blob_damaged  an object ends before the range that was asked for;
 *    storage_full  a quota of the bucket is used up;
 *    busy          the service does not answer, or not now; asking again later can succeed.
 *  What a person must mend, such as refused credentials, comes as an Error that says what the service said. */
import { hasCode } from '../core/errors.ts'

export interface UploadedPart {
  number: number
  etag: string
}

/** An object of several parts that is not complete. */
export interface PartedUpload {
  key: string
  id: string
}

/** Keys are without the prefix. */
export interface Bucket {
  /** Errors: those above. */
  sizeBytes(key: string): Promise<number>
  /** Exactly these bytes; at least one. */
  read(key: string, offset: number, lengthBytes: number): Promise<Buffer>
  /** The whole of a small object. */
  readAll(key: string): Promise<Buffer>
  /** Writes an object, or takes the place of the one that is there. Durable when it resolves. `md5` is what the service checks it
   *  by. */
  write(key: string, bytes: Uint8Array, md5: Buffer): Promise<void>
  /** Writes an object unless there is one; answers whether it did. */
  writeNew(key: string, bytes: Uint8Array): Promise<boolean>
  /** Absence is success. */
  remove(key: string): Promise<void>
  /** Objects below a folder, in order of keys. */
  list(folder: string): AsyncIterable<{ key: string; sizeBytes: number; modifiedAt: number }>
  /** Begins an object of several parts, which is invisible until it is complete; answers its id. */
  beginUpload(key: string): Promise<string>
  /** Parts but for the last have at least 5 MiB. `md5` is what the service checks them by. */
  writePart(
    upload: PartedUpload,
    part: { number: number; bytes: Uint8Array; md5: Buffer },
  ): Promise<UploadedPart>
  completeUpload(upload: PartedUpload, parts: UploadedPart[]): Promise<void>
  /** Drops its parts. */
  abortUpload(upload: PartedUpload): Promise<void>
  /** Unfinished uploads below a folder. */
  listUploads(folder: string): AsyncIterable<PartedUpload & { begunAt: number }>
  close(): void
}

/** A small object as text, as far as 64 characters; undefined: there is none. Errors: those of a bucket. */
export async function readMark(bucket: Bucket, key: string): Promise<string | undefined> {
  try {
    return (await bucket.readAll(key)).toString('latin1', 0, 64)
  } catch (error) {
    if (hasCode(error, 'not_found')) return undefined
    throw error
  }
}
