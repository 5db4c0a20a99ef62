/** Requests of a connection, one after the other. A client may send the next ones before it has its answer (RFC 9112 §9.3.2), and
 *  Node begins whatever a packet brings at once: a thousand small requests, of anybody and without a token, before others get
 *  their turn, and any number while the first takes long. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { limits } from '../core/limits.ts'

type Exchange = [request: IncomingMessage, response: ServerResponse]

/** A connection on which more than `limits.requestsAheadMax` wait is closed: no client that is known sends any ahead. */
export function inTurn(listener: RequestListener): RequestListener {
  /** Those that wait, of connections that have a request under way. */
  const waiting = new WeakMap<Socket, Exchange[]>()
  const begin = (socket: Socket, exchange: Exchange): void => {
    const [, response] = exchange
    response.once('close', () => {
      const next = waiting.get(socket)?.shift()
      if (next === undefined || socket.destroyed) waiting.delete(socket)
      // Others have their turn between.
      else setImmediate(begin, socket, next)
    })
    listener(...exchange)
  }
  return (request, response) => {
    const { socket } = request
    const ahead = waiting.get(socket)
    if (ahead === undefined) {
      waiting.set(socket, [])
      begin(socket, [request, response])
    } else if (ahead.length < limits.requestsAheadMax) ahead.push([request, response])
    else socket.destroy()
  }
}
