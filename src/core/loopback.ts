/** Reports whether a URL's host is this machine. Proxies cannot reach it, and compressing what is
 *  sent to it gains nothing. `@actions/http-client` uses the same rule. */
export function isLoopback(hostname: string): boolean {
  return /^(?:(?:.+\.)?localhost\.?|\[::1\]|127(?:\.\d+){3})$/.test(hostname)
}
