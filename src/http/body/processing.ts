/** Interim responses for requests that take long. */
import { type AppRequest, incomingOf, isForwarded, type Outgoing, outgoingOf } from '../context.ts'

/** Sends an interim `102 Processing` (RFC 2518 §10.1) every `intervalMs` until the returned
 *  function is called. It keeps clients that time out on a silent socket from giving up, and
 *  leaves the final status open. */
export function sendProcessing(c: AppRequest, intervalMs: number): () => void {
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

/** Undefined without a server, and behind a proxy: HTTP/1.0 has no interim responses (RFC 9110
 *  §15.2), and some proxies take one for the final response. */
function listening(c: AppRequest): Outgoing | undefined {
  const isCurrent = incomingOf(c)?.httpVersion === '1.1'
  return isCurrent && !isForwarded(c) ? outgoingOf(c) : undefined
}
