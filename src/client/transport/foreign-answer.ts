/** Responses that are not Trove's, or that this version cannot read. Where a proxy can have sent
 *  one, messages name its host and the setting that chose it. */
import {
  credentialsOf,
  describeProxy,
  type HttpProxy,
  parseProxyUrl,
} from '../../core/http-proxy.ts'
import type { ServerAddress } from './agents.ts'
import { AnswerError, ProxiedNetworkError, ProxyRefusal } from './network-error.ts'

/** The error for a response that the proxy itself sent; `message` describes this status. */
export function proxyFailure(proxy: HttpProxy, status: number, message: string): Error {
  if (status === 407) return credentialsRefused(proxy)
  return mayPass(status) ? new ProxiedNetworkError(message) : new ProxyRefusal(message)
}

/** Whether a response that is not from Trove is no refusal: the server is unreachable or busy at
 *  the moment, or the request came too slowly for a proxy (408). */
export function mayPass(status: number): boolean {
  return (status >= 500 && status !== 501) || status === 429 || status === 408
}

function credentialsRefused(proxy: HttpProxy): ProxyRefusal {
  const url = parseProxyUrl(proxy.url)
  const has = url !== undefined && credentialsOf(url) !== ''
  const problem = has ? 'rejected the user and password' : 'requires a user and password'
  return new ProxyRefusal(`${describeProxy(proxy)} ${problem} in its URL`)
}

/** The error for an error response that did not come from Trove; undefined when no proxy can
 *  have sent it. Requests to an `http` server are sent to the proxy, which can respond to them
 *  itself. */
export function foreignAnswer({ url, proxy }: ServerAddress, status: number): Error | undefined {
  if (!proxy || !url.startsWith('http:')) return undefined
  return proxyFailure(proxy, status, `${url} responded ${status} through ${describeProxy(proxy)}`)
}

/** Returns the result of `read`, which decodes a response of the server. Errors: AnswerError in
 *  place of the RangeError of a decoder; others as they are. */
export async function decoded<Result>(
  server: ServerAddress,
  read: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    return await read()
  } catch (error) {
    throw error instanceof RangeError ? unreadableAnswer(server, error.message) : error
  }
}

/** The error for an unreadable response, which a proxy can have sent, as above. */
export function unreadableAnswer({ url, proxy }: ServerAddress, reason: string): Error {
  const message = `${url} sent a response that this version cannot read: ${reason}`
  return proxy && url.startsWith('http:')
    ? new ProxyRefusal(`${message} (it came through ${describeProxy(proxy)})`)
    : new AnswerError(message)
}
