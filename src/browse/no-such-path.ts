/** The error for a path that an artifact does not have. */
import { notFound } from '../core/errors.ts'

export function noSuchPath(artifact: { name: string }, path: string): Error {
  return notFound(path, `artifact ${artifact.name} has no ${JSON.stringify(path)}`)
}
