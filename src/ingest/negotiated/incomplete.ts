/** An upload that cannot be committed yet. */
import { storeError } from '../../core/errors.ts'

export function incomplete(what: 'manifest' | 'blobs', missing: number): Error {
  const told =
    what === 'manifest' ? 'its manifest has not been sent' : `${missing} files have not been sent`
  return storeError('upload_incomplete', `the upload is not complete: ${told}`, { what, missing })
}
