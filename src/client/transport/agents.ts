/** The agents that keep direct connections between requests. A connection can be opened before a
 *  request needs it, since a handshake takes as long as a request, or with TLS two. */
import { Agent, type ClientRequestArgs } from 'node:http'
import { Agent as SecureAgent } from 'node:https'
import { isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { hostOf, type HttpProxy, portOf } from '../../core/http-proxy.ts'

/** Address of a server, and the proxy to reach it through. */
export interface ServerAddress {
  /** Origin, without a trailing slash. */
  url: string
  /** Proxy to go through; null or absent: a direct connection. */
  proxy?: HttpProxy | null
}

/** Idle connections are closed before the server does it (5 s), so that no request is sent on a
 *  connection that is just being closed. */
export const agentOptions = { keepAlive: true, timeout: 4000 }

/** Opened and not used yet: at most one for each protocol, host and port. */
const early = new Map<string, Socket>()
const connected = new WeakSet<Duplex>()

type Made = (error: Error | null, socket: Duplex) => void

class PlainAgent extends Agent {
  override createConnection(options: ClientRequestArgs, made?: Made): Duplex | null | undefined {
    return takeEarly('http:', options) ?? super.createConnection(options, made)
  }
}

class TlsAgent extends SecureAgent {
  override createConnection(options: ClientRequestArgs, made?: Made): Duplex | null | undefined {
    return takeEarly('https:', options) ?? super.createConnection(options, made)
  }
}

const plain = new PlainAgent(agentOptions)
const secure = new TlsAgent(agentOptions)

export function agentOf(isSecure: boolean): Agent {
  return isSecure ? secure : plain
}

/** Opens a connection for the next request. Without one it is closed like an idle connection. Does
 *  nothing while there is an idle one, or where a proxy leads to the server. The request finds out
 *  itself why a connection fails. */
export function connectEarly({ url, proxy = null }: ServerAddress): void {
  const server = new URL(url)
  const { protocol } = server
  const isSecure = protocol === 'https:'
  const address = { host: hostOf(server), port: portOf(server) }
  const key = keyOf(protocol, address)
  const agent = agentOf(isSecure)
  const isKept = Object.keys(agent.freeSockets).some((name) =>
    name.startsWith(`${address.host}:${address.port}:`),
  )
  if (proxy !== null || early.has(key) || isKept) return
  const servername = isIP(address.host) === 0 ? address.host : ''
  const options = { ...agentOptions, ...address, servername }
  const socket = agent.createConnection(options) as Socket
  early.set(key, socket)
  socket.unref()
  socket.once(isSecure ? 'secureConnect' : 'connect', () => connected.add(socket))
  socket.once('timeout', () => early.get(key) === socket && socket.destroy())
  socket.once('error', () => {})
  socket.once('close', () => early.get(key) === socket && early.delete(key))
}

/** Whether the handshake of a connection that was opened early is over. */
export function isConnected(socket: Duplex): boolean {
  return connected.has(socket)
}

function takeEarly(protocol: string, address: ClientRequestArgs): Socket | undefined {
  const key = keyOf(protocol, address)
  const socket = early.get(key)
  early.delete(key)
  return socket?.ref()
}

function keyOf(protocol: string, { host, port }: ClientRequestArgs): string {
  return `${protocol} ${host} ${port}`
}
