/** Streams the body of a response that has a strong ETag. A broken connection is resumed where
 *  it broke, even when the server was gone for some seconds.
 *
 *  The first request is for a range, too: its response names the total length in `Content-Range`,
 *  so that a body that a proxy cut short is noticed though its `Content-Length` agrees with it.
 *  Where ranges are not passed on, a header of the server names it. */
import { lengthHeader } from '../../api/completeness.ts'
import { parseContentRange } from '../../core/bytes/byte-range.ts'
import { hasCode } from '../../core/errors.ts'
import type { Answer } from './answer.ts'
import { type ApiRequest, openAnswer, type ServerAccess } from './http.ts'
import { NetworkError } from './network-error.ts'
import { unreadableAnswer } from './foreign-answer.ts'
import { createAttempts } from './retry.ts'

export interface ResumedRequest extends Pick<ApiRequest, 'path' | 'query' | 'takesPage'> {
  /** Names the transfer in messages. */
  label: string
}

/** How much has been read, and of which version. */
interface Position {
  bytes: number
  etag: string | null
  /** Null while no response has said. */
  totalBytes: number | null
}

/** What came before cannot be continued. */
class NotResumable extends NetworkError {}

/** Yields the bytes in order. Errors: those of `openAnswer`; NetworkError when the transfer
 *  breaks and cannot be resumed. */
export async function* readResumed(
  server: ServerAccess,
  request: ResumedRequest,
  signal: AbortSignal,
  wait?: Parameters<typeof createAttempts>[1],
): AsyncGenerator<Uint8Array, void, undefined> {
  const position: Position = { bytes: 0, etag: null, totalBytes: null }
  const attempts = createAttempts({ signal }, wait)
  for (;;) {
    try {
      const answer = await openAt(server, request, position, signal)
      position.etag = tagOf(server, answer)
      position.totalBytes = totalOf(server, answer, position.bytes) ?? position.totalBytes
      for await (const chunk of answer.chunks()) {
        position.bytes += chunk.length
        requireAnnounced(server, position)
        attempts.reach(position.bytes)
        yield chunk
      }
      requireWhole(server, position)
      return
    } catch (error) {
      signal.throwIfAborted()
      // The connection broke after the last byte but before the end of the body. What was announced
      // counts, since something on the way that ignores If-Range can mean another version.
      if (
        hasCode(error, 'range_not_satisfiable') &&
        position.bytes === (position.totalBytes ?? error.details.totalBytes)
      )
        return
      if (!(error instanceof NetworkError) || error instanceof NotResumable) throw error
      // When nothing has been received, `openAnswer` has already retried often enough.
      if (position.etag === null) throw error
      if (!attempts.mayGoOn()) {
        const message = `${request.label} broke off after ${position.bytes} bytes: ${error.message}`
        throw new NetworkError(message, { cause: error })
      }
      await attempts.pause(error)
    }
  }
}

async function openAt(
  server: ServerAccess,
  { label, ...request }: ResumedRequest,
  { bytes, etag }: Position,
  signal: AbortSignal,
): Promise<Answer> {
  const answer = await openAnswer(server, {
    ...request,
    headers: {
      // Ranges count bytes of the identity encoding, not of a compressed one.
      'accept-encoding': 'identity',
      range: `bytes=${bytes}-`,
      ...(bytes > 0 && etag !== null && { 'if-range': etag }),
    },
    signal,
  })
  const isSame = answer.header('etag') === etag
  // A cache on the way can ignore If-Range.
  if (bytes === 0 || (answer.status === 206 && isSame)) return answer
  answer.discard()
  throw new NotResumable(
    isSame
      ? `${label} broke off after ${bytes} bytes, and something on the way does not pass ranges on`
      : `${label} changed while it was read`,
  )
}

/** Errors: AnswerError for a response without a tag: the server sends none. */
function tagOf(server: ServerAccess, answer: Answer): string {
  const etag = answer.header('etag')
  if (etag !== null) return etag
  answer.discard()
  throw unreadableAnswer(server, 'content without an ETag')
}

/** Returns the announced length of the whole; null for a response that does not say. Errors:
 *  AnswerError for a range that does not begin where it must. */
function totalOf(server: ServerAccess, answer: Answer, start: number): number | null {
  const field = answer.status === 206 ? answer.header('content-range') : null
  const range = parseContentRange(field)
  if (range === undefined) {
    const announced = answer.header(lengthHeader)
    return announced === null ? null : Number(announced)
  }
  if (range.start === start) return range.totalBytes
  answer.discard()
  throw unreadableAnswer(server, `range ${field} instead of one from ${start}`)
}

/** Errors: AnswerError, when there is more than was announced. */
function requireAnnounced(server: ServerAccess, { bytes, totalBytes }: Position): void {
  if (totalBytes !== null && bytes > totalBytes)
    throw unreadableAnswer(server, `${bytes} bytes instead of ${totalBytes}`)
}

/** Errors: NetworkError. */
function requireWhole(server: ServerAccess, { bytes, totalBytes }: Position): void {
  if (totalBytes === null || bytes === totalBytes) return
  throw new NetworkError(`the response of ${server.url} ended too early, of ${totalBytes} bytes`)
}
