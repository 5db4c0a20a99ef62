/** The body of an answer that has a strong ETag, as a stream. A connection that breaks is taken up again where it broke, also
 *  after the server was gone for some seconds. */
import { hasCode } from '../../core/errors.ts'
import type { Answer } from './answer.ts'
import { openAnswer, type ServerAccess } from './http.ts'
import { NetworkError } from './network-error.ts'
import { transferTriesMax, waitForTransfer } from './retry.ts'

export interface ResumedRequest {
  path: string
  query?: Record<string, string>
  /** What it is, in messages. */
  told: string
}

/** What of it has been read. */
interface Position {
  bytes: number
  etag: string | null
}

class ChangedMeanwhile extends NetworkError {}

/** The bytes, in order. Errors: those of `openAnswer`; NetworkError when the transfer breaks and cannot be resumed. */
export async function* readResumed(
  server: ServerAccess,
  request: ResumedRequest,
  signal: AbortSignal,
  wait: typeof waitForTransfer = waitForTransfer,
): AsyncGenerator<Uint8Array, void, undefined> {
  const position: Position = { bytes: 0, etag: null }
  for (let failures = 0; ;) {
    try {
      const answer = await openAt(server, request, position, signal)
      position.etag = answer.header('etag')
      for await (const chunk of answer.chunks()) {
        position.bytes += chunk.length
        failures = 0
        yield chunk
      }
      return
    } catch (error) {
      signal.throwIfAborted()
      // The connection broke behind the last byte, which only an end of the body would have told.
      if (hasCode(error, 'range_not_satisfiable') && error.details.totalBytes === position.bytes)
        return
      if (!(error instanceof NetworkError) || error instanceof ChangedMeanwhile) throw error
      // Whoever cannot be reached at first has been tried often enough.
      if (position.bytes === 0 && position.etag === null) throw error
      failures += 1
      if (failures >= transferTriesMax || position.etag === null) {
        const told = `${request.told} broke off after ${position.bytes} bytes: ${error.message}`
        throw new NetworkError(told, { cause: error })
      }
      await wait(failures, signal)
    }
  }
}

async function openAt(
  server: ServerAccess,
  { path, query = {}, told }: ResumedRequest,
  { bytes, etag }: Position,
  signal: AbortSignal,
): Promise<Answer> {
  const answer = await openAnswer(server, {
    path,
    query,
    headers: {
      // Ranges count bytes as they are stored, not of a compressed form.
      'accept-encoding': 'identity',
      ...(bytes > 0 && etag !== null && { range: `bytes=${bytes}-`, 'if-range': etag }),
    },
    signal,
  })
  if (bytes === 0 || answer.status === 206) return answer
  answer.discard()
  throw new ChangedMeanwhile(`${told} changed while it was read`)
}
