/** What a browser does during single sign-on, and how it makes a token afterwards. */
import { expect } from 'vitest'
import type { IdentityProvider } from '../http/identity-provider.ts'
import type { TestServer } from '../http/open-server.ts'
import type { Environment } from '../../src/config/settings.ts'

export const publicUrl = 'http://store.localhost'

/** All but the rules. */
export function settingsFor(provider: IdentityProvider): Environment {
  return {
    TROVE_PUBLIC_URL: publicUrl,
    TROVE_SSO_ISSUER: provider.url,
    TROVE_SSO_CLIENT_ID: provider.clientId,
    TROVE_SSO_CLIENT_SECRET: provider.clientSecret,
  }
}

export function cookiesOf(response: Response): Map<string, string> {
  return new Map(
    response.headers.getSetCookie().map((cookie) => {
      const [pair = ''] = cookie.split(';')
      const at = pair.indexOf('=')
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

/** The callback that the provider sends the browser to, and the browser's cookie. */
export interface Begun {
  callback: string
  cookie: string
}

/** `before`: the browser's cookie. */
export async function beginSignIn(
  server: TestServer,
  next = '/',
  before = 'trove_sso=',
): Promise<Begun> {
  const path = `/sign-in/sso?next=${encodeURIComponent(next)}`
  const begun = await server.send(path, { token: null, headers: { cookie: before } })
  expect(begun.status).toBe(302)
  const back = await fetch(begun.headers.get('location')!, { redirect: 'manual' })
  const location = new URL(back.headers.get('location')!)
  expect(location.origin).toBe(publicUrl)
  const cookie = `trove_sso=${cookiesOf(begun).get('trove_sso')}`
  return { callback: location.pathname + location.search, cookie }
}

export async function finishSignIn(
  server: TestServer,
  { callback, cookie }: Begun,
): Promise<Response> {
  return await server.send(callback, { token: null, headers: { cookie } })
}

/** Returns what the browser sends from then on. */
export async function signIn(server: TestServer): Promise<Record<string, string>> {
  const done = await finishSignIn(server, await beginSignIn(server))
  expect(done.status).toBe(303)
  return { cookie: `trove_session=${cookiesOf(done).get('trove_session')}` }
}

/** Sends the form of the page *Account*. */
export async function postAccount(
  server: TestServer,
  session: Record<string, string>,
  form: string,
): Promise<Response> {
  return await server.send('/account', {
    method: 'POST',
    token: null,
    headers: {
      ...session,
      origin: publicUrl,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: form,
  })
}

/** The token that the page shows. */
export async function madeToken(response: Response): Promise<string> {
  const [, token] = /<pre tabindex="0">([\w.-]+)<\/pre>/.exec(await response.text()) ?? []
  return token ?? ''
}
