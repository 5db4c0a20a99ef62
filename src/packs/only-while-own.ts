/** A bucket that another server may take over while this one runs. */
import type { Bucket } from './s3/bucket.ts'

/** Returns a bucket of which nothing is removed unless it is still this store's.
 *
 *  What is removed was chosen before the check: so none of it was written by a server that takes
 *  the bucket over afterwards, which restores the metadata and looks for packs only then. */
export function onlyWhileOwn(bucket: Bucket, requireOwn: () => Promise<void>): Bucket {
  return {
    ...bucket,
    remove: async (key) => {
      await requireOwn()
      await bucket.remove(key)
    },
    abortUpload: async (upload) => {
      await requireOwn()
      await bucket.abortUpload(upload)
    },
  }
}
