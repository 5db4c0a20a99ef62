/** Signs of life for requests that take long before they have an answer. */
import { type AppRequest, incomingOf, isForwarded, type Outgoing, outgoingOf } from '../context.ts'

/** Sends an interim `102 Processing` (RFC 2518 §10.1) every `intervalMs` until the answered function is called: clients
 *  that give up after a time of silence on the socket do not, and the final status is still to choose. */
export function sayProcessing(c: AppRequest, intervalMs: number): () => void {
  const timer = setInterval(() => {
    const outgoing = listening(c)
    if (outgoing !== undefined && !outgoing.headersSent && !outgoing.destroyed) {
      outgoing.writeProcessing()
    }
  }, intervalMs)
  return () => {
    clearInterval(timer)
  }
}

/** Absent without a server, and when something stands between: HTTP/1.0 has no interim answers (RFC 9110 §15.2), and
 *  some proxies take one for the answer itself. */
function listening(c: AppRequest): Outgoing | undefined {
  const isCurrent = incomingOf(c)?.httpVersion === '1.1'
  return isCurrent && !isForwarded(c) ? outgoingOf(c) : undefined
}
