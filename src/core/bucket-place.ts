/** Where objects of S3 are, and how they are reached. */
export interface BucketPlace {
  readonly bucket: string
  /** Before each key: empty, or with a slash at its end. */
  readonly prefix: string
  readonly region: string
  /** Of a service that is not Amazon's, which is then asked for `/BUCKET/KEY`; without a slash at its end. */
  readonly endpoint: string | null
}

/** As people write it. */
export function tellBucket({ bucket, prefix }: BucketPlace): string {
  return `s3://${bucket}/${prefix}`.replace(/\/$/, '')
}
