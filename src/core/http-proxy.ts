/** An HTTP proxy between client and server. */

export interface HttpProxy {
  /** `http://` or `https://`, with user and password where it wants them: it is never told, `tellProxy` is. */
  readonly url: string
  /** The variable or option that names it, for messages. Default: `proxy`. */
  readonly setting?: string
}

/** The address of a proxy as people write it, also without a scheme; undefined for what names no HTTP proxy. */
export function parseProxyUrl(text: string): URL | undefined {
  const written = text.includes('://') ? text : `http://${text}`
  if (!URL.canParse(written)) return undefined
  const url = new URL(written)
  return /^https?:$/.test(url.protocol) && credentialsOf(url) !== undefined ? url : undefined
}

/** `user:password`; empty when the address has neither, undefined when they are not escaped as they must be. */
export function credentialsOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return ''
  try {
    return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  } catch {
    return undefined
  }
}

export function portOf({ port, protocol }: URL): number {
  return Number(port) || (protocol === 'https:' ? 443 : 80)
}

/** Its host and who names it, without user and password. */
export function tellProxy({ url, setting = 'proxy' }: HttpProxy): string {
  const address = parseProxyUrl(url)
  const host = address === undefined ? '' : ` ${address.hostname}:${portOf(address)}`
  return `the proxy${host} (${setting})`
}
