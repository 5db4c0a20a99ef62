/** Selects the proxy for a server from the environment, by the variables and rules that curl and
 *  GitHub's runner share. */
import { BlockList, isIP } from 'node:net'
import { hostOf, type HttpProxy, parseProxyUrl, portOf } from '../core/http-proxy.ts'
import { isLoopback } from '../core/loopback.ts'
import type { Settings } from './settings.ts'

/** Returns null when `server` is reached directly. An unusable proxy URL is reported without its
 *  value, which may hold a password. */
export function readProxy(source: Settings, server: string): HttpProxy | null {
  const url = new URL(server)
  const setting = variablesFor(source, url).find((name) => source.text(name) !== undefined)
  if (setting === undefined) return null
  // Unlike curl, which needs NO_PROXY for this.
  if (isLoopback(url.hostname)) return null
  if (isExempt(url, source.text('no_proxy') ?? source.text('NO_PROXY') ?? '')) return null
  const proxy = parseProxyUrl(source.text(setting)!)
  if (proxy !== undefined) return { url: proxy.href, setting }
  source.refuse(
    setting,
    'must be the URL of an HTTP proxy, such as http://USER:PASSWORD@HOST:PORT with special characters escaped',
  )
  return null
}

/** The variables for the URL's protocol; the first that is set counts. */
function variablesFor(source: Settings, { protocol }: URL): string[] {
  if (protocol === 'https:') return ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY']
  // In a CGI program, HTTP_PROXY holds the client's `Proxy` header.
  const isHeader = source.text('REQUEST_METHOD') !== undefined
  return ['http_proxy', ...(isHeader ? [] : ['HTTP_PROXY']), 'all_proxy', 'ALL_PROXY']
}

/** Whether a list in the format of NO_PROXY exempts `url` from the proxy. */
export function isExempt(url: URL, list: string): boolean {
  const host = hostOf(url).replace(/\.$/, '')
  return list.split(/[\s,]+/).some((item) => {
    if (item === '*') return true
    const { name, port } = parseItem(item)
    if (name === '' || (port !== undefined && port !== portOf(url))) return false
    return isIP(host) === 0 ? isWithin(host, name) : isInNetwork(host, name)
  })
}

/** Parses `name`, `name:port`, `[address]:port` or a bare IPv6 address. */
function parseItem(item: string): { name: string; port: number | undefined } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(item) ?? []
  const name = bracketed ?? plain ?? item
  return { name: name.toLowerCase(), port: port === undefined ? undefined : Number(port) }
}

/** A domain matches itself and all hosts below it, with or without a leading dot. */
function isWithin(host: string, name: string): boolean {
  const domain = name.replace(/^\*?\./, '').replace(/\.$/, '')
  return domain !== '' && (host === domain || host.endsWith(`.${domain}`))
}

/** `name` is an address, or a network such as 10.0.0.0/8. */
function isInNetwork(host: string, name: string): boolean {
  const [address = '', bits] = name.split('/')
  const version = isIP(address)
  if (version === 0 || version !== isIP(host)) return false
  const family = version === 4 ? 'ipv4' : 'ipv6'
  const width = version === 4 ? 32 : 128
  const prefix = bits === undefined ? width : /^\d{1,3}$/.test(bits) ? Number(bits) : Infinity
  if (prefix > width) return false
  const network = new BlockList()
  network.addSubnet(address, prefix, family)
  return network.check(host, family)
}
