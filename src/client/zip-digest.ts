/** The digest of the zip that a server hands out of an artifact. */
import type { WireArtifact } from '../api/messages.ts'
import { storeError } from '../core/errors.ts'

/** As it is written in messages. Errors: not_found, where only building the zip would tell. */
export function zipDigestOf({ name, zipDigest }: WireArtifact): string {
  if (zipDigest !== null) return zipDigest
  const reason =
    `the digest of the zip of ${name} is not known: it was not uploaded as a zip, so each download puts one together; ` +
    'the tree digest and those of its files are known (`trove shasum`)'
  throw storeError('not_found', reason, { what: name })
}
