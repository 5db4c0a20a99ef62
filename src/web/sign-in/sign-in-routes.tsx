/** Sign-in of browsers: the link that the server prints, or a token pasted into a form, becomes a session cookie. The
 *  cookie alone is trusted only for reading; forms need our own origin besides (`http/access/authenticate.ts`). */
import { Hono } from 'hono'
import { deleteCookie, setCookie } from 'hono/cookie'
import type { Principal } from '../../auth/principal.ts'
import { mintToken, readToken, type TokenUse } from '../../auth/tokens.ts'
import { asError, hasCode } from '../../core/errors.ts'
import { dayMs } from '../../core/units.ts'
import { actorOf } from '../../http/access/actor.ts'
import { noteToken } from '../../http/access/minted-tokens.ts'
import {
  principalOf,
  requireOwnOrigin,
  revokeToken,
  sessionCookie,
} from '../../http/access/authenticate.ts'
import { publicOrigin, type AppContext, type AppEnv, type AppRequest } from '../../http/context.ts'
import { readForm } from '../input.ts'
import { sendPage, type Web } from '../page.tsx'
import { SignInPage } from './sign-in-page.tsx'

const sessionMs = 30 * dayMs
/** Browsers keep no cookie for longer (RFC 6265bis §5.5), and hono refuses to set one that should be. */
const cookieMsMax = 400 * dayMs

/** `GET /sign-in?token=&next=`, `POST /sign-in` (form), `POST /sign-out`. */
export function createSignInPages(web: Web): Hono<AppEnv> {
  const { context } = web
  const app = new Hono<AppEnv>()
  app.get('/sign-in', async (c) => {
    const token = c.req.query('token')
    const next = localPath(c.req.query('next'))
    if (token === undefined) return await askForToken(web, c, { next, problem: null })
    return await signIn(web, c, { token, use: 'sign-in', next })
  })
  app.post('/sign-in', async (c) => {
    requireOwnOrigin(context, c)
    const form = await readForm(context, c)
    const next = localPath(form.get('next') ?? undefined)
    return await signIn(web, c, { token: (form.get('token') ?? '').trim(), use: 'api', next })
  })
  app.post('/sign-out', async (c) => {
    requireOwnOrigin(context, c)
    const origin = publicOrigin(context, c)
    const session = deleteCookie(c, sessionCookie(origin), placeOf(origin))
    if (session !== undefined) await endSession(context, session)
    return c.redirect('/sign-in', 303)
  })
  return app
}

/** `problem`: why the last one was refused. */
async function askForToken(
  web: Web,
  c: AppRequest,
  view: { next: string; problem: string | null },
): Promise<Response> {
  const status = view.problem === null ? 200 : 401
  return await sendPage(web, c, { title: 'Sign in', status, body: <SignInPage {...view} /> })
}

async function signIn(
  web: Web,
  c: AppRequest,
  { token, use, next }: { token: string; use: TokenUse; next: string },
): Promise<Response> {
  const { context } = web
  let principal: Principal
  try {
    principal = await principalOf(context, token, use)
  } catch (error) {
    if (!hasCode(error, 'unauthenticated')) throw error
    return await askForToken(web, c, { next, problem: error.message })
  }
  // A link lives for minutes and a pasted token as long as it was minted for.
  const wantedUntil = use === 'sign-in' ? context.now() + sessionMs : principal.expiresAt
  const expiresAt = Math.min(wantedUntil, context.now() + cookieMsMax)
  const session = await mintToken(context.keys.tokens, { ...principal, expiresAt }, 'session')
  await noteSession(context, session, principal)
  const origin = publicOrigin(context, c)
  setCookie(c, sessionCookie(origin), session, {
    ...placeOf(origin),
    httpOnly: true,
    sameSite: 'Lax',
    expires: new Date(expiresAt),
  })
  return c.redirect(next, 303)
}

/** Where browsers send the cookie; whoever takes it away must say the same. */
function placeOf(origin: string): { path: string; secure: boolean } {
  return { path: '/', secure: origin.startsWith('https:') }
}

/** Where the disk takes nothing it is not listed: whoever has to make room, or to fetch what can still be read, must get in. */
async function noteSession(
  context: AppContext,
  session: string,
  principal: Principal,
): Promise<void> {
  try {
    const by = actorOf(principal, 'page')
    await noteToken(context, session, { at: context.now(), by })
  } catch (error) {
    context.log.error('a session could not be listed', { error: asError(error) })
  }
}

/** So that a copy of the cookie is of no use either. Errors: too_large, storage_full. */
async function endSession(context: AppContext, session: string): Promise<void> {
  try {
    await revokeToken(context, await readToken(context.keys.tokens, session))
  } catch (error) {
    // What is no session needs no end.
    if (!hasCode(error, 'unauthenticated')) throw error
  }
}

/** Where to go afterwards: a path of this server, never another host. */
function localPath(text: string | undefined): string {
  // Browsers drop tabs and line feeds wherever they are, and take a backslash for a slash: `/<tab>/host` is a host.
  if (text === undefined || !/^\/(?!\/)[^\\\s\p{Cc}]*$/u.test(text)) return '/'
  return URL.canParse(text, anyOrigin) && new URL(text, anyOrigin).origin === anyOrigin ? text : '/'
}

/** Whatever it is, a path stays there. */
const anyOrigin = 'http://localhost'
