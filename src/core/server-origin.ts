/** The address of a server as users and programs write it. */

/** Parses a URL that must be the root of a host, because a path, or a user and a password, would be
 *  dropped. `fault` says what is wrong, without repeating a password; `origin` is undefined only
 *  for what is no http or https URL. */
export function readServerOrigin(text: string): { origin?: string; fault?: string } {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    return { fault: `must be an http or https URL, got ${JSON.stringify(text)}` }
  const { origin, href, username, password } = url
  if (username !== '' || password !== '')
    return { origin, fault: `must be an origin without a user and a password, such as ${origin}` }
  if (href === `${origin}/`) return { origin }
  const got = JSON.stringify(text)
  return { origin, fault: `must be an origin without a path, such as ${origin}, got ${got}` }
}
