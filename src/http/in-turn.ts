/** Handles the requests of a connection one after the other. A client may send further requests
 *  before it has a response (RFC 9112 §9.3.2), and Node starts all of them at once: a packet of
 *  a thousand small requests, sent without a token, would be handled before other connections
 *  get a turn, and any number of them while the first is slow. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { limits } from '../core/limits.ts'

type Exchange = [request: IncomingMessage, response: ServerResponse]

/** Closes a connection on which more than `limits.requestsAheadMax` requests wait. No known
 *  client pipelines any. */
export function inTurn(listener: RequestListener): RequestListener {
  /** Waiting requests, for each connection with a request in progress. */
  const waiting = new WeakMap<Socket, Exchange[]>()
  const begin = (socket: Socket, exchange: Exchange): void => {
    const [, response] = exchange
    response.once('close', () => {
      const next = waiting.get(socket)?.shift()
      if (next === undefined || socket.destroyed) waiting.delete(socket)
      // Gives other connections a turn in between.
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
