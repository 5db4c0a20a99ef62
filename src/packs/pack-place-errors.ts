/** Why packs are not where the settings say, or not this store's. */
import { type BucketPlace, formatBucket } from '../core/bucket-place.ts'
import { invalidRequest } from '../core/errors.ts'

/** The object that says whose a bucket is. */
export const ownerKey = 'owner'

export function foreign(bucket: BucketPlace): Error {
  const place = formatBucket(bucket)
  return refused(
    `${place} holds the packs of another store; sharing a bucket would make each delete the packs of the other. ` +
      `If the server of that store is lost, \`trove recover --from-snapshot\` takes its place; ` +
      `if the store is gone for good, delete the object ${place}/${ownerKey}`,
  )
}

export function elsewhere(claim: BucketPlace, bucket: BucketPlace): Error {
  const [is, asked] = [claim, bucket].map(({ endpoint }) => endpoint ?? 'Amazon')
  return refused(
    `the packs are in ${formatBucket(claim)} of ${is}, but TROVE_S3_ENDPOINT is ${asked}, where that has none of them; ` +
      `correct the setting, or move them with \`trove move-packs\` to another bucket or folder there`,
  )
}

export function takenOver(dataDir: string, bucket: BucketPlace): Error {
  return refused(
    `another server has taken over ${formatBucket(bucket)} and goes on with this store; ` +
      `what ${dataDir} holds is out of date, and what was uploaded here since is not in the store. ` +
      `To take the place of that server, empty the directory and start with TROVE_RESTORE=on, or run \`trove recover --from-snapshot\``,
  )
}

export function refused(reason: string, options?: ErrorOptions): Error {
  return invalidRequest('TROVE_S3_BUCKET', reason, options)
}
