/** An HTTP proxy between client and server. */

export interface HttpProxy {
  /** `http://` or `https://`, with user and password where the proxy requires them. Never print it;
   *  print `describeProxy` instead. */
  readonly url: string
  /** The variable or option that sets it, for messages. Default: `proxy`. */
  readonly setting?: string
}

/** Parses a proxy address, with or without a scheme. Returns undefined when it is not a valid HTTP
 *  proxy address. */
export function parseProxyUrl(text: string): URL | undefined {
  const written = text.includes('://') ? text : `http://${text}`
  if (!URL.canParse(written)) return undefined
  const url = new URL(written)
  return /^https?:$/.test(url.protocol) && credentialsOf(url) !== undefined ? url : undefined
}

/** `user:password`; empty when the address has neither, undefined when they are not escaped
 *  properly. */
export function credentialsOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return ''
  try {
    return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  } catch {
    return undefined
  }
}

/** Host of a URL as sockets take it: an IPv6 address without its brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.replaceAll(/^\[|\]$/g, '')
}

export function portOf({ port, protocol }: URL): number {
  return Number(port) || (protocol === 'https:' ? 443 : 80)
}

/** Host and setting of a proxy for messages, without user and password. */
export function describeProxy({ url, setting = 'proxy' }: HttpProxy): string {
  const address = parseProxyUrl(url)
  const host = address === undefined ? '' : ` ${address.hostname}:${portOf(address)}`
  return `the proxy${host} (${setting})`
}
