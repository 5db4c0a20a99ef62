/** The failure to find something inside an artifact. */
import { storeError } from '../core/errors.ts'

export function noSuchPath(artifact: { name: string }, path: string): Error {
  return storeError('not_found', `artifact ${artifact.name} has no ${JSON.stringify(path)}`, {
    what: path,
  })
}
