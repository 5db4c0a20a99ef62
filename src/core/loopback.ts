/** Whether a host, as URLs have it, is this machine: no proxy reaches it, and nothing is gained by compressing what goes there.
 *  `@actions/http-client` sees it so too. */
export function isLoopback(hostname: string): boolean {
  return /^(?:(?:.+\.)?localhost\.?|\[::1\]|127(?:\.\d+){3})$/.test(hostname)
}
