/** Settings of the bucket that holds the packs. */
import type { BucketPlace } from '../core/bucket-place.ts'
import type { Settings } from './settings.ts'

/** Credentials and region come from the standard AWS variables; Trove has no names of its own
 *  for them. */
export function readPackBucket(source: Settings): BucketPlace | null {
  const name = 'TROVE_S3_BUCKET'
  const text = source.text(name)
  const endpoint = source.ownOrigin('TROVE_S3_ENDPOINT') ?? null
  const region = source.text('AWS_REGION') ?? source.text('AWS_DEFAULT_REGION') ?? 'us-east-1'
  if (text === undefined) {
    if (endpoint !== null) source.refuse('TROVE_S3_ENDPOINT', `requires ${name}`)
    return null
  }
  const [, bucket, prefix] =
    /^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([\w.-]+(?:\/[\w.-]+)*))?\/?$/.exec(text) ?? []
  if (bucket === undefined) {
    source.refuse(
      name,
      `must be the name of a bucket, 3 to 63 characters, or BUCKET/FOLDER, got ${JSON.stringify(text)}`,
    )
    return null
  }
  return Object.freeze({
    bucket,
    prefix: prefix === undefined ? '' : `${prefix}/`,
    region,
    endpoint,
  })
}
