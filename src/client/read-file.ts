/** One file of an artifact as a stream; the digest of the whole is checked at the end. */
import { filePath } from '../api/paths.ts'
import { createDigestHasher, type Digest } from '../core/digest.ts'
import { storeError } from '../core/errors.ts'
import type { ServerAccess } from './transport/http.ts'
import { readResumed } from './transport/resumed-body.ts'

/** The bytes of the file, in order. Errors: those of `readResumed`; digest_mismatch after the last byte. */
export async function* readFile(
  server: ServerAccess,
  { artifactId, path, digest }: { artifactId: number; path: string; digest: Digest },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hasher = createDigestHasher()
  let sizeBytes = 0
  for await (const chunk of readResumed(
    server,
    { path: filePath(artifactId, path), told: path },
    signal,
  )) {
    sizeBytes += chunk.length
    hasher.update(chunk)
    yield chunk
  }
  const actual = hasher.digest()
  if (actual !== digest) {
    throw storeError(
      'digest_mismatch',
      `${path}: expected ${digest}, got ${actual} (${sizeBytes} bytes)`,
      { expected: digest, actual },
    )
  }
}
