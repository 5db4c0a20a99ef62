/** Opens a bucket for a few calls. */
import type { BucketPlace } from '../core/bucket-place.ts'
import type { Bucket } from './s3/bucket.ts'
import { openS3Bucket } from './s3/s3-bucket.ts'

/** Runs `work` on the bucket, which is closed afterwards. Errors: those of `work`. */
export async function withBucket<T>(
  place: BucketPlace,
  work: (objects: Bucket) => Promise<T>,
): Promise<T> {
  const objects = await openS3Bucket(place)
  try {
    return await work(objects)
  } finally {
    objects.close()
  }
}
