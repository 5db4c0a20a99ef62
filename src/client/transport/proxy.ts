/** Connections through an HTTP proxy. An `https` server is reached through a tunnel that the
 *  proxy opens (CONNECT), so its certificate is checked as usual. For an `http` server the
 *  request is sent to the proxy. Loaded only when a proxy is used. */
import { once } from 'node:events'
import {
  type ClientRequestArgs,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as plainRequest,
  type RequestOptions,
} from 'node:http'
import { Agent, type AgentOptions, request as secureRequest } from 'node:https'
import { isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  credentialsOf,
  describeProxy,
  hostOf,
  type HttpProxy,
  parseProxyUrl,
  portOf,
} from '../../core/http-proxy.ts'
import { proxyFailure } from './foreign-answer.ts'

/** How a connection through the proxy is opened. */
export interface WayOptions {
  /** Aborts the wait for a tunnel. */
  until: AbortSignal | undefined
  /** Longest wait for a tunnel. */
  connectMs: number
}

interface Way {
  proxy: HttpProxy
  /** Options of a request to the proxy. Its TLS certificate, if any, is checked for its own
   *  name, whatever the Host of the request. */
  address: { protocol: string; hostname: string; port: number; servername: string }
  /** Headers that authenticate to the proxy. */
  credentials: Record<string, string>
}

/** Connections are kept as long as the proxy object is in use. */
const tunnelsThrough = new WeakMap<HttpProxy, TunnelAgent>()

/** Returns the request options for `url` that replace those of a direct connection. */
export function optionsThrough(
  proxy: HttpProxy,
  url: URL,
  headers: OutgoingHttpHeaders,
  { agent, ...options }: WayOptions & { agent: AgentOptions },
): RequestOptions {
  const tunnels = tunnelsThrough.get(proxy) ?? new TunnelAgent(wayTo(proxy), agent)
  tunnelsThrough.set(proxy, tunnels)
  if (url.protocol === 'https:') return Object.assign(options, { agent: tunnels })
  const { way } = tunnels
  return {
    ...way.address,
    path: url.href,
    headers: { ...headers, host: url.host, ...way.credentials },
  }
}

/** Errors: RangeError. */
function wayTo(proxy: HttpProxy): Way {
  const url = parseProxyUrl(proxy.url)
  if (url === undefined) throw new RangeError('the URL of the proxy is not that of an HTTP proxy')
  const { protocol } = url
  const hostname = hostOf(url)
  const login = credentialsOf(url)
  return {
    proxy,
    address: { protocol, hostname, port: portOf(url), servername: isIP(hostname) ? '' : hostname },
    credentials: login
      ? { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` }
      : {},
  }
}

/** Keeps connections to `https` servers like any Agent, but opens them through the proxy. */
class TunnelAgent extends Agent {
  readonly way: Way

  constructor(way: Way, options: AgentOptions) {
    super(options)
    this.way = way
  }

  override createConnection(
    options: ClientRequestArgs,
    callback: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    openTunnel(this.way, options as ClientRequestArgs & WayOptions).then(
      (socket) => {
        const secured = { ...options, socket }
        callback(null, super.createConnection(secured)!)
      },
      (error: Error) => callback(error, undefined as never),
    )
  }
}

/** Opens a connection to the server through the proxy. Errors: ProxyRefusal; those of the
 *  connection. */
async function openTunnel(
  { proxy, address, credentials }: Way,
  { host, port, until, connectMs }: ClientRequestArgs & WayOptions,
): Promise<Socket> {
  const target = `${isIP(host ?? '') === 6 ? `[${host}]` : host}:${port}`
  const request = address.protocol === 'https:' ? secureRequest : plainRequest
  const asking = request({
    ...address,
    method: 'CONNECT',
    path: target,
    headers: { host: target, ...credentials },
    agent: false,
  })
  // The first error is handled below; nothing handles later ones.
  asking.on('error', () => {})
  const late = setTimeout(() => {
    asking.destroy(new Error(`it opened no connection within ${connectMs / 1000} s`))
  }, connectMs)
  const leave = (): void => void asking.destroy()
  until?.addEventListener('abort', leave, { once: true })
  if (until?.aborted === true) leave()
  try {
    asking.end()
    const [{ statusCode = 0 }, socket, head] = (await once(asking, 'connect')) as [
      IncomingMessage,
      Socket,
      Buffer,
    ]
    if (statusCode >= 200 && statusCode < 300) {
      if (head.length > 0) socket.unshift(head)
      return socket
    }
    socket.destroy()
    const message = `${describeProxy(proxy)} did not connect to ${target}: it responded ${statusCode}`
    throw proxyFailure(proxy, statusCode, message)
  } finally {
    clearTimeout(late)
    until?.removeEventListener('abort', leave)
  }
}
