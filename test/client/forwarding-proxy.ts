/** An HTTP proxy like those of companies: it forwards `http` requests, opens tunnels for
 *  `https`, and is the only one that can resolve the hosts of its network. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { onTestFinished } from 'vitest'
import { storeCertificate, storeKey } from './store-certificate.ts'

export interface ForwardingProxy {
  url: string
  /** Requests such as `GET http://store.test/` and `CONNECT store.test:443`, in order. */
  asked: string[]
  /** The Proxy-Authorization header of each request. */
  credentials: (string | undefined)[]
  /** Number of connections that clients have opened. */
  connections(): number
}

export interface ForwardingOptions {
  /** Addresses of hosts: `store.test` → `http://127.0.0.1:1234`. */
  hosts?: Record<string, string>
  /** Returns a status to refuse a request with, or undefined. */
  refuse?: (asked: string, credentials: string | undefined) => number | undefined
  isSecure?: boolean
}

export async function startForwardingProxy({
  hosts = {},
  refuse = () => undefined,
  isSecure = false,
}: ForwardingOptions): Promise<ForwardingProxy> {
  const asked: string[] = []
  const credentials: (string | undefined)[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const note = ({ method, url, headers }: IncomingMessage): number | undefined => {
    const told = `${method} ${url}`
    asked.push(told)
    credentials.push(headers['proxy-authorization'])
    return refuse(told, headers['proxy-authorization'])
  }
  const placeOf = (host: string): URL | undefined =>
    hosts[host] === undefined ? undefined : new URL(hosts[host])

  const server = isSecure
    ? createSecureServer({ key: storeKey, cert: storeCertificate })
    : createServer()
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
  })
  server.on('request', (incoming, outgoing) => {
    const { 'proxy-authorization': _own, ...headers } = incoming.headers
    const target = URL.canParse(incoming.url!) ? new URL(incoming.url!) : undefined
    const place = target && placeOf(target.hostname)
    const status = note(incoming) ?? (target === undefined ? 400 : place === undefined ? 503 : 0)
    if (status > 0) {
      outgoing.writeHead(status, { 'content-type': 'text/html' }).end('<html>proxy</html>')
      return
    }
    const { method } = incoming
    const { port } = place!
    const path = `${target!.pathname}${target!.search}`
    const onward = request({ host: '127.0.0.1', port, method, path, headers })
    onward.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      pipeline(answer, outgoing, () => {})
    })
    pipeline(incoming, onward, () => {})
    onward.on('error', () => outgoing.destroy())
  })
  server.on('connect', (incoming: IncomingMessage, client: Socket) => {
    const place = placeOf(incoming.url!.replace(/:\d+$/, ''))
    const status = note(incoming) ?? (place === undefined ? 503 : 200)
    client.on('error', () => {})
    client.write(`HTTP/1.1 ${status} Told\r\n\r\n`)
    if (status !== 200) {
      client.end()
      return
    }
    const onward = connect(Number(place!.port), '127.0.0.1')
    sockets.add(onward)
    pipeline(client, onward, () => {})
    pipeline(onward, client, () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as AddressInfo
  const url = `${isSecure ? 'https' : 'http'}://127.0.0.1:${port}`
  return { url, asked, credentials, connections: () => connections }
}

/** Starts a TLS terminator in front of a server. Returns its URL and its request count. */
export async function startTls(target: string): Promise<{ url: string; requests(): number }> {
  let requests = 0
  const server = createSecureServer({ key: storeKey, cert: storeCertificate }, (incoming, out) => {
    requests += 1
    const { method, url: path, headers } = incoming
    const { port } = new URL(target)
    const onward = request({ host: '127.0.0.1', port, method, path, headers })
    onward.on('response', (answer) => {
      out.writeHead(answer.statusCode!, answer.headers)
      pipeline(answer, out, () => {})
    })
    pipeline(incoming, onward, () => {})
    onward.on('error', () => out.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `https://127.0.0.1:${port}`, requests: () => requests }
}
