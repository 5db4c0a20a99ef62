/** One HTTP exchange over `node:http`, which moves bytes in a third of the time of Node's
 *  `fetch` and loads in half. Redirects are not followed: they would pass the token on. */
import { setMaxListeners } from 'node:events'
import {
  type ClientRequest,
  type IncomingMessage,
  request as plainRequest,
  type RequestOptions,
} from 'node:http'
import { request as secureRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { describeProxy, type HttpProxy } from '../../core/http-proxy.ts'
import { limits } from '../../core/limits.ts'
import { agentOf, agentOptions, isConnected } from './agents.ts'
import { AnswerError, NetworkError, ProxiedNetworkError, ProxyRefusal } from './network-error.ts'
import { speaksTls, tlsHint } from './speaks-tls.ts'

export interface Exchange {
  url: URL
  method: string
  headers: Record<string, string>
  /** Pulled only as fast as it can be sent. When a refusal comes first, or the whole of another
   *  response is read, the rest is not sent. */
  body: Uint8Array | AsyncIterable<Uint8Array> | undefined
  signal: AbortSignal | undefined
  /** Proxy to go through; null or absent: a direct connection. */
  proxy?: HttpProxy | null
  /** Longest silence within the exchange. */
  idleMs?: number | undefined
}

/** A response whose body is still to be read. */
export interface Answer {
  readonly status: number
  /** Null when the response has no such header. */
  header(name: string): string | null
  /** The decoded body. Errors: NetworkError when it breaks off. */
  chunks(): AsyncGenerator<Buffer, void, undefined>
  /** The whole decoded body. Errors: NetworkError; AnswerError beyond `limits.answerBytesMax`. */
  bytes(): Promise<Buffer>
  /** Discards the body, and closes the connection unless the body has been received in full. */
  discard(): void
}

/** Longest wait for a connection, including the TLS handshake; by then four packets have been
 *  lost. The system would try for two minutes. */
const connectMsDefault = 15_000

/** Sends a request and waits for the head of its response. Errors: NetworkError; AnswerError
 *  where TLS fails for good, or a proxy refuses; those of `body`, the signal's. */
export async function exchange(
  { url, method, headers: given, body, signal, proxy, idleMs = limits.idleExchangeMs }: Exchange,
  connectMs = connectMsDefault,
): Promise<Answer> {
  signal?.throwIfAborted()
  // One signal may end any number of requests.
  if (signal !== undefined) setMaxListeners(0, signal)
  const headers = body instanceof Uint8Array ? { ...given, 'content-length': body.length } : given
  const options: RequestOptions = { protocol: url.protocol, method, headers }
  if (proxy) {
    const { optionsThrough } = await import('./proxy.ts')
    const way = { agent: agentOptions, until: signal, connectMs }
    Object.assign(options, optionsThrough(proxy, url, headers, way))
  }
  const isSecure = options.protocol === 'https:'
  options.agent ??= agentOf(isSecure)
  const request = isSecure ? secureRequest(url, options) : plainRequest(url, options)
  endWithSignal(request, signal)
  // Node's agents do both only for connections without TLS. The first sends the end of a body
  // without waiting for a round trip; the second notices in 11 s that a download's line is gone.
  request.setNoDelay(true)
  request.setSocketKeepAlive(true, 1000)
  endWhenIdle(request, idleMs)
  request.once('socket', (socket) => {
    if (request.reusedSocket || isConnected(socket)) return
    const late = setTimeout(() => {
      request.destroy(new Error(`no connection within ${connectMs / 1000} s`))
    }, connectMs)
    const settle = (): void => clearTimeout(late)
    socket.once(isSecure ? 'secureConnect' : 'connect', settle)
    request.once('close', settle)
  })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    // Stays for the life of the request: later errors reach the reader of the response.
    request.on('error', reject)
  })
  const sending = send(request, body)
  try {
    // A body that fails ends the request; the body's own error says why.
    const response = await Promise.race([answered, sending.then(async () => await answered)])
    return answerOf(request, response, { url, signal })
  } catch (error) {
    request.destroy()
    signal?.throwIfAborted()
    if (error instanceof BodyFault) throw error.cause
    if (error instanceof NetworkError || error instanceof ProxyRefusal) throw error
    // A connection that was used before has answered plain HTTP.
    const mayBeTls = !isSecure && !proxy && !request.reusedSocket
    const isTls = mayBeTls && isCut(error) && (await speaksTls(url))
    signal?.throwIfAborted()
    throw unreachable(url, proxy, isTls ? new TlsFault(tlsHint) : error)
  }
}

/** Node's own `signal` option destroys the connection of a response that has been received in full
 *  but not read to its end. Its error then finds no listener, which ends the process (Node 20). */
function endWithSignal(request: ClientRequest, signal: AbortSignal | undefined): void {
  if (signal === undefined) return
  let received: IncomingMessage | undefined
  request.once('response', (response) => {
    received = response
  })
  const end = (): void => {
    if (received?.complete !== true || !request.writableFinished)
      request.destroy(new Error('the call has ended', { cause: signal.reason }))
  }
  signal.addEventListener('abort', end)
  request.once('close', () => signal.removeEventListener('abort', end))
  if (signal.aborted) end()
}

/** While a body is being sent, Node looks only once per timeout whether the system has taken more
 *  of it, and starts over if it has: a line that is gone takes up to twice as long. */
const idleLooks = 10

function endWhenIdle(request: ClientRequest, idleMs: number): void {
  request.once('socket', (socket) => {
    let idle = 0
    let passedBefore = 0
    const look = (): void => {
      const passed = socket.bytesRead + socket.bytesWritten
      idle = passed === passedBefore ? idle + 1 : 1
      passedBefore = passed
      if (idle < idleLooks) socket.setTimeout(idleMs / idleLooks)
      else request.destroy(new Error(`no data received for ${idleMs / 1000} s`))
    }
    socket.setTimeout(idleMs / idleLooks).on('timeout', look)
    request.once('close', () => socket.off('timeout', look))
  })
}

function unreachable(url: URL, proxy: Exchange['proxy'], cause: unknown): Error {
  const way = proxy ? ` through ${describeProxy(proxy)}` : ''
  const message = `${url.origin} cannot be reached${way}: ${reasonOf(cause)}`
  const [Lasting, Passing] = proxy
    ? [ProxyRefusal, ProxiedNetworkError]
    : [AnswerError, NetworkError]
  return isLasting(cause) ? new Lasting(message, { cause }) : new Passing(message, { cause })
}

/** What listens there speaks TLS, or does not, other than the URL says. */
class TlsFault extends Error {}

/** Whether a connection fails however often it is tried: until somebody changes a certificate, a
 *  trusted authority, a clock or the URL. */
function isLasting(cause: unknown): boolean {
  if (cause instanceof TlsFault || speaksNoTls(cause)) return true
  return /CERT|^INVALID_CA|^UNABLE_TO_VERIFY_LEAF/.test((cause as NodeJS.ErrnoException).code ?? '')
}

function speaksNoTls(cause: unknown): boolean {
  return cause instanceof Error && /wrong version number/i.test(cause.message)
}

function reasonOf(cause: unknown): string {
  if (speaksNoTls(cause))
    return 'what listens there does not speak TLS; a server without it has an http:// URL'
  // OpenSSL's messages end with a line feed.
  return (cause instanceof Error ? cause.message || cause.name : String(cause)).trim()
}

/** Whether the connection was closed without a response. */
function isCut(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException
  return code === 'ECONNRESET' || code === 'EPIPE'
}

/** Carries the failure of the request body as its cause. */
class BodyFault extends Error {}

async function send(request: ClientRequest, body: Exchange['body']): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    request.end(body)
    return
  }
  let isRefused = false
  request.once('response', ({ statusCode = 0 }) => {
    isRefused = statusCode >= 300
  })
  try {
    for await (const piece of body) {
      if (isRefused || request.destroyed) return
      if (!request.write(piece)) await drained(request)
    }
    request.end()
  } catch (error) {
    if (request.destroyed) return
    throw new BodyFault('the body failed', { cause: error })
  }
}

/** Resolves when the request takes more of its body, or is over. */
async function drained(request: ClientRequest): Promise<void> {
  await new Promise<void>((resolve) => {
    const settle = (): void => {
      request.off('drain', settle).off('close', settle)
      resolve()
    }
    request.on('drain', settle).on('close', settle)
    if (request.destroyed) settle()
  })
}

function answerOf(
  request: ClientRequest,
  response: IncomingMessage,
  { url, signal }: Pick<Exchange, 'url' | 'signal'>,
): Answer {
  async function* chunks(): AsyncGenerator<Buffer, void, undefined> {
    try {
      const isGzipped = response.headers['content-encoding'] === 'gzip'
      yield* (isGzipped ? inflated(response) : response) as AsyncIterable<Buffer>
    } catch (error) {
      signal?.throwIfAborted()
      const message = `the response of ${url.origin} broke off: ${reasonOf(error)}`
      throw new NetworkError(message, { cause: error })
    } finally {
      // A connection with an unsent rest of a request body, or an unread rest of a response body,
      // cannot be reused.
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
      let bytes = 0
      for await (const piece of chunks()) {
        bytes += piece.length
        if (bytes > limits.answerBytesMax)
          throw new AnswerError(`the response of ${url.origin} is longer than any of Trove's`)
        pieces.push(piece)
      }
      return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    },
    discard: () => {
      response.on('error', () => {})
      if (request.writableEnded && response.complete) response.resume()
      else request.destroy()
    },
  }
}

function inflated(response: IncomingMessage): AsyncIterable<Buffer> {
  const gunzip = createGunzip({ chunkSize: 64 * 1024 })
  // The reader of `gunzip` handles its failure.
  pipeline(response, gunzip).catch(() => {})
  return gunzip as AsyncIterable<Buffer>
}
