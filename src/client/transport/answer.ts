/** One HTTP exchange over `node:http`, which takes a third of the time that `fetch` of Node takes to move bytes and half of
 *  what it takes to load. Redirects are not followed: the token would go along. */
import { once, setMaxListeners } from 'node:events'
import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  request as plainRequest,
  type RequestOptions,
} from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { type HttpProxy, tellProxy } from '../../core/http-proxy.ts'
import { limits } from '../../core/limits.ts'
import { NetworkError } from './network-error.ts'
import { ProxiedNetworkError, ProxyRefusal } from './proxy-error.ts'

export interface Exchange {
  url: URL
  method: string
  headers: Record<string, string>
  /** Taken only as fast as it can be sent, and not to its end when the answer comes before. */
  body: Uint8Array | AsyncIterable<Uint8Array> | undefined
  signal: AbortSignal | undefined
  /** What the server is reached through; null or absent: nothing. */
  proxy?: HttpProxy | null
  /** Longest silence in it. */
  idleMs?: number | undefined
}

/** An answer whose body is still to be read. */
export interface Answer {
  readonly status: number
  /** Null when the answer has no such header. */
  header(name: string): string | null
  /** The body, decoded. Errors: NetworkError when it breaks off. */
  chunks(): AsyncGenerator<Buffer, void, undefined>
  /** The whole of it. Errors: NetworkError. */
  bytes(): Promise<Buffer>
  /** Drops the body, and the connection with it when there is more than a little left. */
  discard(): void
}

/** Connections that nobody uses are dropped before the server does (5 s), so that none is used at the moment of its end. */
const unusedMs = 4000
/** Longest wait for a connection with its handshake: four packets are lost by then. A system goes on for two minutes. */
const connectMsDefault = 15_000
const agentOptions = { keepAlive: true, timeout: unusedMs }
const agents = { plain: new Agent(agentOptions), secure: new SecureAgent(agentOptions) }

/** Sends a request and waits for the head of its answer. Errors: NetworkError, ProxyRefusal; what `body` fails with; the
 *  signal's. */
export async function exchange(
  { url, method, headers: given, body, signal, proxy, idleMs = limits.idleExchangeMs }: Exchange,
  connectMs = connectMsDefault,
): Promise<Answer> {
  signal?.throwIfAborted()
  // One may end any number of requests.
  if (signal !== undefined) setMaxListeners(0, signal)
  const headers = body instanceof Uint8Array ? { ...given, 'content-length': body.length } : given
  const options: RequestOptions = {
    protocol: url.protocol,
    method,
    headers,
    timeout: idleMs,
    ...(signal !== undefined && { signal }),
  }
  if (proxy) {
    const { optionsThrough } = await import('./proxy.ts')
    const way = { agent: agentOptions, until: signal, connectMs }
    Object.assign(options, optionsThrough(proxy, url, headers, way))
  }
  const isSecure = options.protocol === 'https:'
  options.agent ??= isSecure ? agents.secure : agents.plain
  const request = isSecure ? secureRequest(url, options) : plainRequest(url, options)
  request.once('timeout', () => {
    request.destroy(new Error(`nothing came for ${idleMs / 1000} s`))
  })
  request.once('socket', (socket) => {
    if (request.reusedSocket) return
    const late = setTimeout(() => {
      request.destroy(new Error(`no connection came about in ${connectMs / 1000} s`))
    }, connectMs)
    const settle = (): void => clearTimeout(late)
    socket.once(isSecure ? 'secureConnect' : 'connect', settle)
    request.once('close', settle)
  })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    // Stays for the life of the request: later errors reach whoever reads the answer.
    request.on('error', reject)
  })
  const sending = send(request, body)
  try {
    // A body that fails ends the request; its own error says why.
    const response = await Promise.race([answered, sending.then(async () => await answered)])
    return answerOf(request, response, { url, signal })
  } catch (error) {
    request.destroy()
    signal?.throwIfAborted()
    if (error instanceof BodyFault) throw error.cause
    const isTold = error instanceof NetworkError || error instanceof ProxyRefusal
    throw isTold ? error : unreachable(url, proxy, error)
  }
}

function unreachable(url: URL, proxy: Exchange['proxy'], cause: unknown): NetworkError {
  const what = `${url.origin} cannot be reached`
  return proxy
    ? new ProxiedNetworkError(`${what} through ${tellProxy(proxy)}: ${reasonOf(cause)}`, { cause })
    : new NetworkError(`${what}: ${reasonOf(cause)}`, { cause })
}

function reasonOf(cause: unknown): string {
  // What OpenSSL says ends with a line feed.
  return (cause instanceof Error ? cause.message || cause.name : String(cause)).trim()
}

/** What the body failed with, as its cause. */
class BodyFault extends Error {}

async function send(request: ClientRequest, body: Exchange['body']): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    request.end(body)
    return
  }
  let isAnswered = false
  request.once('response', () => {
    isAnswered = true
  })
  const gone = once(request, 'close').catch(() => {})
  try {
    for await (const piece of body) {
      if (isAnswered || request.destroyed) return
      if (!request.write(piece)) await Promise.race([once(request, 'drain'), gone])
    }
    request.end()
  } catch (error) {
    if (request.destroyed) return
    throw new BodyFault('the body failed', { cause: error })
  }
}

function answerOf(
  request: ClientRequest,
  response: IncomingMessage,
  { url, signal }: Pick<Exchange, 'url' | 'signal'>,
): Answer {
  async function* chunks(): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* (isGzipped(response) ? inflated(response) : response) as AsyncIterable<Buffer>
    } catch (error) {
      signal?.throwIfAborted()
      const told = `the answer of ${url.origin} broke off: ${reasonOf(error)}`
      throw new NetworkError(told, { cause: error })
    } finally {
      // A connection with an unsent rest of a body, or an unread one of an answer, is of no more use.
      if (!request.writableEnded || !response.complete) request.destroy()
    }
  }
  return {
    status: response.statusCode ?? 0,
    header: (name) => {
      const value = response.headers[name]
      return Array.isArray(value) ? value.join(', ') : (value ?? null)
    },
    chunks,
    bytes: async () => {
      const pieces: Buffer[] = []
      for await (const piece of chunks()) pieces.push(piece)
      return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    },
    discard: () => {
      response.on('error', () => {})
      if (request.writableEnded && response.complete) response.resume()
      else request.destroy()
    },
  }
}

function isGzipped({ headers }: IncomingMessage): boolean {
  return headers['content-encoding'] === 'gzip'
}

function inflated(response: IncomingMessage): AsyncIterable<Buffer> {
  const gunzip = createGunzip({ chunkSize: 64 * 1024 })
  // Its failure is met by whoever reads `gunzip`.
  pipeline(response, gunzip).catch(() => {})
  return gunzip as AsyncIterable<Buffer>
}
