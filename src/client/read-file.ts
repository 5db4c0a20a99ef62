/** Streams one file of an artifact and checks its digest at the end. */
import { filePath } from '../api/paths.ts'
import { createDigestHasher } from '../core/bytes/digest.ts'
import { digestMismatch } from '../core/errors.ts'
import type { ServerAccess } from './transport/http.ts'
import { digestIn } from './transport/message.ts'
import { readResumed } from './transport/resumed-body.ts'

/** Yields the bytes of the file in order. `digest` is in wire form. Errors: those of
 *  `readResumed`; digest_mismatch after the last byte. */
export async function* readFile(
  server: ServerAccess,
  { artifactId, path, digest }: { artifactId: number; path: string; digest: string },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const expected = digestIn(server, digest)
  const hasher = createDigestHasher()
  for await (const chunk of readResumed(
    server,
    { path: filePath(artifactId, path), label: path, takesPage: true },
    signal,
  )) {
    hasher.update(chunk)
    yield chunk
  }
  const actual = hasher.digest()
  if (actual !== expected) throw digestMismatch(path, expected, actual)
}
