/** `Expect: 100-continue` (RFC 9110 §10.1.1): curl and others wait about a second for the server to
 *  ask for the body, so what is refused before that is never sent. Node asks for every body at
 *  once; here, whoever reads the body asks for it. */
import type { IncomingMessage, ServerResponse } from 'node:http'

const waiting = new WeakMap<IncomingMessage, ServerResponse>()

/** Notes that the sender waits. Node closes the connection after a response before which the body
 *  was not asked for. */
export function noteExpectation(request: IncomingMessage, response: ServerResponse): void {
  waiting.set(request, response)
}

/** Tells the sender to go on, if it waits for that. */
export function askForBody(request: IncomingMessage): void {
  waiting.get(request)?.writeContinue()
  waiting.delete(request)
}

export function isWaitingToSend(request: IncomingMessage): boolean {
  return waiting.has(request)
}
