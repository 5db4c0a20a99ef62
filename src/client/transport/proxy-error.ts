/** What goes wrong with a proxy on the way, told with its host and with what names it. */
import { credentialsOf, type HttpProxy, parseProxyUrl, tellProxy } from '../../core/http-proxy.ts'
import { AnswerError, NetworkError } from './network-error.ts'

/** Where a server is, and the way to it. */
export interface ServerAddress {
  /** Origin, without a trailing slash. */
  url: string
  /** What it is reached through; null or absent: nothing. */
  proxy?: HttpProxy | null
}

/** A NetworkError on a way through a proxy. */
export class ProxiedNetworkError extends NetworkError {}

/** A proxy that does not let us through, or what answers in its place. To ask again is of no use. */
export class ProxyRefusal extends Error {
  override readonly name = 'ProxyRefusal'
}

/** What the status of an answer that a proxy gave itself means. `told` says of what it is the status. */
export function proxyFailure(proxy: HttpProxy, status: number, told: string): Error {
  if (status === 407) return credentialsRefused(proxy)
  // That the server cannot be reached just now is no refusal.
  return status >= 500 || status === 429 ? new ProxiedNetworkError(told) : new ProxyRefusal(told)
}

function credentialsRefused(proxy: HttpProxy): ProxyRefusal {
  const url = parseProxyUrl(proxy.url)
  const has = url !== undefined && credentialsOf(url) !== ''
  const told = has ? 'does not accept the user and password' : 'wants a user and a password'
  return new ProxyRefusal(`${tellProxy(proxy)} ${told} in its URL`)
}

/** An error answer of no Trove server; undefined when no proxy can have given it. Requests to a server of `http` are sent to
 *  the proxy, which then can answer them itself. */
export function foreignAnswer({ url, proxy }: ServerAddress, status: number): Error | undefined {
  if (!proxy || !url.startsWith('http:')) return undefined
  return proxyFailure(proxy, status, `${url} answered ${status} through ${tellProxy(proxy)}`)
}

/** An answer that makes no sense; a proxy can have given it, as above. */
export function unreadableAnswer({ url, proxy }: ServerAddress, reason: string): Error {
  const told = `${url} gave an answer that this version cannot read: ${reason}`
  return proxy && url.startsWith('http:')
    ? new ProxyRefusal(`${told} (it came through ${tellProxy(proxy)})`)
    : new AnswerError(told)
}
