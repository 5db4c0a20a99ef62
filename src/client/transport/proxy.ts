/** The way through an HTTP proxy. A server of `https` is reached through a tunnel that the proxy opens (CONNECT), so that its
 *  certificate is checked as ever; for one of `http` the proxy is asked in its place. Loaded when there is a proxy. */
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
  type HttpProxy,
  parseProxyUrl,
  portOf,
  tellProxy,
} from '../../core/http-proxy.ts'
import { proxyFailure } from './proxy-error.ts'

/** What an exchange asks of the way. */
export interface WayOptions {
  /** Ends the wait for a tunnel. */
  until: AbortSignal | undefined
  /** Longest wait for a tunnel. */
  connectMs: number
}

interface Way {
  proxy: HttpProxy
  /** Options of a request to it. Its certificate, if it has one, is its own, whatever the Host of a request. */
  address: { protocol: string; hostname: string; port: number; servername: string }
  /** What the proxy wants to be shown. */
  credentials: Record<string, string>
  tunnels: TunnelAgent
}

/** Connections are kept as long as a proxy is used. */
const ways = new WeakMap<HttpProxy, Way>()

/** What the options of a request to `url` are, in place of those without a proxy. */
export function optionsThrough(
  proxy: HttpProxy,
  url: URL,
  headers: OutgoingHttpHeaders,
  { agent, ...options }: WayOptions & { agent: AgentOptions },
): RequestOptions {
  const way = ways.get(proxy) ?? openWay(proxy, agent)
  ways.set(proxy, way)
  if (url.protocol === 'https:') return Object.assign(options, { agent: way.tunnels })
  return {
    ...way.address,
    path: url.href,
    headers: { ...headers, host: url.host, ...way.credentials },
  }
}

/** Errors: RangeError. */
function openWay(proxy: HttpProxy, options: AgentOptions): Way {
  const url = parseProxyUrl(proxy.url)
  if (url === undefined) throw new RangeError('the URL of the proxy is none of an HTTP proxy')
  const { protocol } = url
  const hostname = url.hostname.replaceAll(/^\[|\]$/g, '')
  const told = credentialsOf(url)
  const way = {
    proxy,
    address: { protocol, hostname, port: portOf(url), servername: isIP(hostname) ? '' : hostname },
    credentials: told
      ? { 'proxy-authorization': `Basic ${Buffer.from(told).toString('base64')}` }
      : {},
  }
  return { ...way, tunnels: new TunnelAgent(way, options) }
}

/** Keeps connections to servers of `https` like any Agent; opens them through the proxy. */
class TunnelAgent extends Agent {
  readonly #way: Omit<Way, 'tunnels'>

  constructor(way: Omit<Way, 'tunnels'>, options: AgentOptions) {
    super(options)
    this.#way = way
  }

  override createConnection(
    options: ClientRequestArgs,
    callback: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    openTunnel(this.#way, options as ClientRequestArgs & WayOptions).then(
      (socket) => {
        const secured = { ...options, socket }
        callback(null, super.createConnection(secured)!)
      },
      (error: Error) => callback(error, undefined as never),
    )
  }
}

/** The connection to the server, by way of the proxy. Errors: ProxyRefusal; those of the connection. */
async function openTunnel(
  { proxy, address, credentials }: Omit<Way, 'tunnels'>,
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
  // The first is met below; there is nobody left for those behind it.
  asking.on('error', () => {})
  const late = setTimeout(() => {
    asking.destroy(new Error(`it opened no connection in ${connectMs / 1000} s`))
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
    const told = `${tellProxy(proxy)} does not connect to ${target}: it answered ${statusCode}`
    throw proxyFailure(proxy, statusCode, told)
  } finally {
    clearTimeout(late)
    until?.removeEventListener('abort', leave)
  }
}
