/** Giving up a digest: the blob row lives on for its holders, and a newer row may take the
 *  digest. */
import { blobState } from '../../../../schema/content.ts'
import type { Connection } from '../connection/connection.ts'

/** SQL for the state of a blob row after that. */
export const stateWithoutDigest = `CASE state WHEN ${blobState.damaged} THEN ${blobState.goneDamaged}
  WHEN ${blobState.goneDamaged} THEN ${blobState.goneDamaged} ELSE ${blobState.gone} END`

/** Returns a function that takes the digest from a blob, inside a transaction, and makes it a
 *  candidate for sweep. */
export function createDigestRelease({ prepare }: Connection): (blobId: number) => void {
  const release = prepare<[number]>(`UPDATE blobs SET state = ${stateWithoutDigest} WHERE id = ?`)
  const touch = prepare<[number]>('INSERT OR IGNORE INTO touched_blobs (blob_id) VALUES (?)')
  return (blobId) => {
    release.run(blobId)
    touch.run(blobId)
  }
}
