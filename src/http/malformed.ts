/** What Node's parser rejects before there is a request. Node's own response has no body. */
import { randomBytes } from 'node:crypto'
import { maxHeaderSize, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ErrorCode, errorCodeOf } from '../core/errors.ts'
import { problemBody } from './problem.ts'

/** Responds to what no app sees, unless part of another response was sent, and closes the
 *  connection. */
export function rejectMalformed(error: Error, socket: Duplex, isAnswering: boolean): void {
  if (socket.writable && !isAnswering) socket.write(responseTo(error))
  socket.destroy(error)
}

function responseTo(error: Error): string {
  const [status, code, detail] = describe(error)
  const title = STATUS_CODES[status]!
  const requestId = randomBytes(8).toString('hex')
  const body = JSON.stringify(problemBody({ status, title, code, detail, requestId }))
  return [
    `HTTP/1.1 ${status} ${title}`,
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n')
}

function describe(error: Error): [status: number, code: ErrorCode, detail: string] {
  switch (errorCodeOf(error)) {
    case 'HPE_HEADER_OVERFLOW':
      return [
        431,
        'too_large',
        `the address and the headers of a request, or its trailers, must have at most ${maxHeaderSize} bytes`,
      ]
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return [413, 'too_large', 'a chunk of the body has more than 16384 bytes of extensions']
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [408, 'idle_timeout', 'the headers of the request did not arrive in time']
    default:
      return [400, 'invalid_request', `the request is not valid HTTP: ${reasonOf(error)}`]
  }
}

/** The parser's words, without those of the sender. */
function reasonOf(error: Error): string {
  const { reason } = error as Error & { reason?: unknown }
  return typeof reason === 'string' ? reason : 'it cannot be parsed'
}
