/** The error for a path that an artifact does not have. */
import { storeError } from '../core/errors.ts'

export function noSuchPath(artifact: { name: string }, path: string): Error {
  return storeError('not_found', `artifact ${artifact.name} has no ${JSON.stringify(path)}`, {
    what: path,
  })
}
