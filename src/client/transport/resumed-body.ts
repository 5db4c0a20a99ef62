/** The body of an answer that has a strong ETag, as a stream. A connection that breaks is taken up again where it broke. */
import { NetworkError } from './network-error.ts'
import { openAnswer, type ServerAccess } from './http.ts'

/** Times that a broken transfer is taken up again without a byte of progress in between. */
const resumesMax = 3

/** The bytes, in order. `told` names them in messages. Errors: those of `openAnswer`; NetworkError when the transfer
 *  breaks and cannot be resumed. */
export async function* readResumed(
  server: ServerAccess,
  { path, query = {}, told }: { path: string; query?: Record<string, string>; told: string },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let position = 0
  let etag: string | null = null
  for (let failures = 0; ; failures++) {
    const isResumed = position > 0 && etag !== null
    const answer = await openAnswer(server, {
      path,
      query,
      headers: {
        // Ranges count bytes as they are stored, not of a compressed form.
        'accept-encoding': 'identity',
        ...(isResumed && { range: `bytes=${position}-`, 'if-range': etag! }),
      },
      signal,
    })
    if (position > 0 && answer.status !== 206) {
      answer.discard()
      throw new NetworkError(`${told} changed while it was read`)
    }
    etag = answer.header('etag')
    try {
      for await (const chunk of answer.chunks()) {
        position += chunk.length
        failures = 0
        yield chunk
      }
      return
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof NetworkError)) throw error
      if (failures < resumesMax && etag !== null) continue
      throw new NetworkError(`${told} broke off after ${position} bytes`, { cause: error })
    }
  }
}
