/** The error for an upload that cannot be committed yet. */
import { storeError } from '../../core/errors.ts'

export function incomplete(what: 'manifest' | 'times' | 'blobs', missing: number): Error {
  const reasons = {
    manifest: 'its manifest has not been sent',
    times: 'its times are for a different number of entries',
    blobs: `${missing} files have not been sent`,
  }
  const message = `the upload is not complete: ${reasons[what]}`
  return storeError('upload_incomplete', message, { what, missing })
}
