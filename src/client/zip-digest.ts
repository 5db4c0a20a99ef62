/** The digest of the zip that a server serves for an artifact. */
import type { WireArtifact } from '../api/messages.ts'
import { notFound } from '../core/errors.ts'

/** Returns it in wire form. Errors: not_found, when the zip would have to be built to know it. */
export function zipDigestOf({ name, zipDigest }: WireArtifact): string {
  if (zipDigest !== null) return zipDigest
  const reason =
    `the digest of the zip of ${name} is not known: it was not uploaded as a zip, so each download builds one; ` +
    '`trove shasum` prints the digests of its files and tree'
  throw notFound(name, reason)
}
