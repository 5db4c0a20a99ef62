/** Opens the pack store for a place; the only choice between the two implementations. */
import type { BucketPlace } from '../core/bucket-place.ts'
import { openLocalPackStore } from './local/local.ts'
import { onlyWhileOwn } from './only-while-own.ts'
import { openS3Bucket } from './s3/s3-bucket.ts'
import { openS3PackStore } from './s3/s3.ts'
import type { PackStore } from './pack-store.ts'

/** Structured-cloneable, to be sent to threads. */
export type PackPlace =
  | { kind: 'directory'; directory: string }
  | { kind: 'bucket'; bucket: BucketPlace }

/** `requireOwn` is called before anything is removed from a bucket that another server may take
 *  over. Errors: those of `openLocalPackStore` and `openS3PackStore`. */
export async function openPackStore(
  place: PackPlace,
  requireOwn: () => Promise<void> = async () => {},
): Promise<PackStore> {
  if (place.kind === 'directory') return await openLocalPackStore({ directory: place.directory })
  return await openS3PackStore(onlyWhileOwn(await openS3Bucket(place.bucket), requireOwn))
}
