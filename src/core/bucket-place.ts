/** An S3 bucket and how to reach it. */
export interface BucketPlace {
  readonly bucket: string
  /** Prepended to every key: empty, or ends with a slash. */
  readonly prefix: string
  readonly region: string
  /** Endpoint of an S3-compatible service, addressed as `/BUCKET/KEY`, without a trailing slash;
   *  null for Amazon. */
  readonly endpoint: string | null
}

/** Formats the place as `s3://BUCKET/PREFIX`. */
export function formatBucket({ bucket, prefix }: BucketPlace): string {
  return `s3://${bucket}/${prefix}`.replace(/\/$/, '')
}
