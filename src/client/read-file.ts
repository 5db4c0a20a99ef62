/** One file of an artifact as a stream. A connection that breaks is resumed where it broke; the digest of the whole is
 *  checked at the end. */
import { filePath } from '../api/paths.ts'
import { createDigestHasher, type Digest } from '../core/digest.ts'
import { storeError } from '../core/errors.ts'
import { NetworkError, openResponse, type ServerAccess } from './http.ts'

/** Times that a broken transfer is taken up again without a byte of progress in between. */
const resumesMax = 3

/** The bytes of the file, in order. Errors: those of `openResponse`; digest_mismatch after the last byte; NetworkError
 *  when the transfer breaks and cannot be resumed. */
export async function* readFile(
  server: ServerAccess,
  file: { artifactId: number; path: string; digest: Digest },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hasher = createDigestHasher()
  let position = 0
  let etag: string | null = null
  for (let failures = 0; ; failures++) {
    const response: Response = await openFrom(server, file, { position, etag, signal })
    if (position > 0 && response.status !== 206) {
      await response.body?.cancel()
      throw new NetworkError(`${file.path} changed while it was read`)
    }
    etag = response.headers.get('etag')
    try {
      for await (const chunk of response.body ?? new ReadableStream<Uint8Array>()) {
        position += chunk.length
        failures = 0
        hasher.update(chunk)
        yield chunk
      }
      break
    } catch (error) {
      signal.throwIfAborted()
      // fetch reports a cut connection as a TypeError; anything else comes from our caller.
      if (!(error instanceof TypeError)) throw error
      if (failures < resumesMax && etag !== null) continue
      throw new NetworkError(`${file.path} broke off after ${position} bytes`, { cause: error })
    }
  }
  const actual = hasher.digest()
  if (actual !== file.digest) {
    throw storeError(
      'digest_mismatch',
      `${file.path}: expected ${file.digest}, got ${actual} (${position} bytes)`,
      {
        expected: file.digest,
        actual,
      },
    )
  }
}

async function openFrom(
  server: ServerAccess,
  { artifactId, path }: { artifactId: number; path: string },
  { position, etag, signal }: { position: number; etag: string | null; signal: AbortSignal },
): Promise<Response> {
  const isResumed = position > 0 && etag !== null
  return await openResponse(server, {
    path: filePath(artifactId, path),
    headers: {
      // Ranges count bytes as they are stored, not of a compressed form.
      'accept-encoding': 'identity',
      ...(isResumed && { range: `bytes=${position}-`, 'if-range': etag }),
    },
    signal,
  })
}
