/** The listening socket: how long connections may stay, and how they end when the server stops. */
import { getRequestListener, RequestError } from '@hono/node-server'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { invalidRequest } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { noteExpectation } from './body/expectation.ts'
import { connectionsMax, createConnections } from './connections.ts'
import { inTurn } from './in-turn.ts'
import { rejectMalformed } from './malformed.ts'
import { problemResponse } from './problem.ts'

export interface Listener {
  port: number
  /** Stops accepting connections, waits `graceMs` for running requests, then fails their bodies by
   *  aborting `graceOver`, then destroys the remaining connections. Later calls wait for the
   *  first. */
  close(graceOver: AbortController, graceMs: number): Promise<void>
}

/** Errors: those of the system when it cannot listen. */
export async function listen(
  fetch: Parameters<typeof getRequestListener>[0],
  { host, port }: { host: string; port: number },
): Promise<Listener> {
  const answer = getRequestListener(
    // The adapter lets some hosts pass that no URL can have, such as `1.2.3.256`.
    async (request, env) =>
      hasOneHost(env.incoming) && URL.canParse(request.url)
        ? await fetch(request, env)
        : withoutAddress(),
    {
      // We drain bodies ourselves, before the response.
      autoCleanupIncoming: false,
      errorHandler: (error) => {
        if (error instanceof RequestError) return withoutAddress()
        throw error
      },
    },
  )
  const connections = createConnections()
  const handle = inTurn(
    connections.whileBusy((request, response) => void answer(request, response)),
  )
  const server = createServer(handle)
  server.on('checkContinue', (request, response) => {
    noteExpectation(request, response)
    handle(request, response)
  })
  // A large upload may take hours. Inactivity is bounded instead, by the idle timers of bodies.
  server.requestTimeout = 0
  server.headersTimeout = 60_000
  // Longer than the 60 s of common load balancers, so that none sends a request on a connection we
  // are closing.
  server.keepAliveTimeout = 65_000
  server.on('clientError', (error, socket) => {
    rejectMalformed(error, socket, connections.responseOn(socket)?.headersSent === true)
  })
  connections.bound(server, await connectionsMax())
  server.listen(port, host)
  await once(server, 'listening')
  const close: Listener['close'] = async (graceOver, graceMs) => {
    const over = once(server, 'close')
    server.close()
    // Connections that were busy at that moment stay open after their response unless closed
    // here. Node does not count as idle those on which no request was ever sent; browsers and
    // connection pools open such connections in advance.
    const idle = setInterval(() => {
      server.closeIdleConnections()
      for (const connection of connections.open)
        if (connection.bytesRead === 0) connection.destroy()
    }, 50)
    const timers = [
      setTimeout(() => {
        graceOver.abort()
      }, graceMs),
      setTimeout(() => {
        server.closeAllConnections()
      }, graceMs + limits.endingMs),
    ]
    await over
    clearInterval(idle)
    for (const timer of timers) clearTimeout(timer)
  }
  let closed: Promise<void> | undefined
  return {
    port: (server.address() as AddressInfo).port,
    close: async (graceOver, graceMs) => await (closed ??= close(graceOver, graceMs)),
  }
}

/** RFC 9112 §3.2: several Host fields are an error. Node keeps the first, where a proxy may have
 *  gone by another. */
function hasOneHost({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): boolean {
  const isHost = (text: string, index: number): boolean =>
    index % 2 === 0 && text.length === 4 && text.toLowerCase() === 'host'
  return rawHeaders.filter(isHost).length <= 1
}

/** The response to a request without a URL; the app renders all other failures. */
function withoutAddress(): Response {
  const message = 'the request target and the only Host header must make up a valid URL'
  return problemResponse(invalidRequest('host', message), randomBytes(8).toString('hex'))
}
