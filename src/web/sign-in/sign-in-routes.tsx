/** Sign-in for browsers: exchanges the link that the server prints, a token pasted into a form,
 *  or what the provider of single sign-on says of a person, for a session cookie. The cookie
 *  alone allows only reading; forms must also come from our own origin
 *  (`http/access/authenticate.ts`). */
import { Hono } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { personOf, sessionGrant } from '../../auth/person-grant.ts'
import {
  describeClaims,
  matchingRules,
  type SignInAccess,
} from '../../core/access/sign-in-rules.ts'
import type { Person, Principal } from '../../auth/principal.ts'
import { mintToken, readToken, type TokenUse } from '../../auth/tokens.ts'
import { asError, forbidden, hasCode, type StoreError } from '../../core/errors.ts'
import { dayMs } from '../../core/units.ts'
import { actorOf } from '../../http/access/actor.ts'
import { noteToken } from '../../http/access/minted-tokens.ts'
import {
  callbackPath,
  decodeAttempts,
  encodeAttempts,
  type SignInAttempt,
} from '../../http/access/single-sign-on.ts'
import {
  cookieName,
  principalOf,
  requireOwnOrigin,
  revokeToken,
} from '../../http/access/authenticate.ts'
import { publicOrigin, type AppContext, type AppEnv, type AppRequest } from '../../http/context.ts'
import { readForm } from '../input.ts'
import { sendPage, type Web } from '../page.tsx'
import { sentenceOf } from '../problem-page.tsx'
import { createSignInLog, type SignInLog } from './sign-in-log.ts'
import { SignInPage } from './sign-in-page.tsx'

const sessionMs = 30 * dayMs
/** Longest lifetime of a cookie in browsers (RFC 6265bis §5.5); hono rejects a longer one. */
const cookieMsMax = 400 * dayMs

/** A web with the log of its sign-ins. */
type SignInWeb = Web & { signIns: SignInLog }

/** `GET /sign-in?token=&next=`, `POST /sign-in` (form), `POST /sign-out`. */
export function createSignInPages(shared: Web): Hono<AppEnv> {
  const { context } = shared
  const web: SignInWeb = { ...shared, signIns: createSignInLog(context) }
  const app = new Hono<AppEnv>()
  app.get('/sign-in', async (c) => {
    const token = c.req.query('token')
    const next = localPath(c.req.query('next'))
    if (token === undefined) return await signInPage(web, c, { next, problem: null })
    return await signIn(web, c, { token, use: 'sign-in', next })
  })
  app.post('/sign-in', async (c) => {
    requireOwnOrigin(context, c)
    const form = await readForm(context, c)
    const next = localPath(form.get('next') ?? undefined)
    return await signIn(web, c, { token: (form.get('token') ?? '').trim(), use: 'api', next })
  })
  createSingleSignOnRoutes(web, app)
  app.post('/sign-out', async (c) => {
    requireOwnOrigin(context, c)
    const origin = publicOrigin(context, c)
    const session = deleteCookie(c, cookieName(origin, 'session'), cookieScope(origin))
    if (session !== undefined) await endSession(context, session)
    return c.redirect('/sign-in', 303)
  })
  return app
}

/** `problem`: why the token or the person was rejected. */
async function signInPage(
  web: Web,
  c: AppRequest,
  view: { next: string; problem: string | null },
  status: 200 | 401 | 403 | 503 = view.problem === null ? 200 : 401,
): Promise<Response> {
  const provider = web.context.singleSignOn?.provider
  const body = <SignInPage {...view} provider={provider} />
  return await sendPage(web, c, { title: 'Sign in', status, body })
}

async function signIn(
  web: SignInWeb,
  c: AppRequest,
  { token, use, next }: { token: string; use: TokenUse; next: string },
): Promise<Response> {
  const { context, signIns } = web
  const method = { with: use === 'sign-in' ? 'link' : 'token' } as const
  try {
    const principal = await principalOf(context, token, use)
    // A sign-in link expires in minutes, so its session gets a lifetime of its own; that of a
    // pasted token ends with it.
    const wantedUntil = use === 'sign-in' ? context.now() + sessionMs : principal.expiresAt
    const expiresAt = Math.min(wantedUntil, context.now() + cookieMsMax)
    await signIns.accepted(await openSession(context, c, { ...principal, expiresAt }), method)
    return c.redirect(next, 303)
  } catch (error) {
    if (!hasCode(error, 'unauthenticated', 'forbidden')) throw error
    await signIns.refused(await bearerOf(context, token), method, error.message)
    if (hasCode(error, 'forbidden')) throw error
    return await signInPage(web, c, { next, problem: sentenceOf(error.message) })
  }
}

/** Whose token it is, valid or not; null unless this server minted it. */
async function bearerOf({ keys }: AppContext, token: string): Promise<Principal | null> {
  try {
    return (await readToken(keys.tokens, token)).principal
  } catch (error) {
    if (!hasCode(error, 'unauthenticated')) throw error
    return null
  }
}

/** Browsers drop a longer cookie without a word (RFC 6265bis §5.7): 4,096 bytes with its name. */
const sessionCharactersMax = 4000

/** Sets the cookie of a session with that grant; returns the principal of the session. Errors:
 *  forbidden (no cookie can hold it). */
async function openSession(
  context: AppContext,
  c: AppRequest,
  grant: Principal,
): Promise<Principal> {
  const session = await mintToken(context.keys.tokens, grant, 'session')
  if (session.length > sessionCharactersMax) {
    const reason = 'this token lists too many projects for a cookie: use fewer and wider globs'
    throw forbidden(reason)
  }
  await noteSession(context, session, grant)
  const origin = publicOrigin(context, c)
  setCookie(c, cookieName(origin, 'session'), session, {
    ...cookieScope(origin),
    httpOnly: true,
    sameSite: 'Lax',
    expires: new Date(grant.expiresAt),
  })
  return (await readToken(context.keys.tokens, session)).principal
}

/** Attributes that must be the same when the cookie is set and when it is deleted. */
function cookieScope(origin: string): { path: string; secure: boolean } {
  return { path: '/', secure: origin.startsWith('https:') }
}

/** `GET /sign-in/sso?next=&account=` sends the browser to the provider of single sign-on, which
 *  sends it back to `GET /sign-in/callback`. */
function createSingleSignOnRoutes(web: SignInWeb, app: Hono<AppEnv>): void {
  const { context, signIns } = web
  const { singleSignOn } = context
  if (singleSignOn === null) return
  app.get('/sign-in/sso', async (c) => {
    const next = localPath(c.req.query('next'))
    try {
      const account = c.req.query('account') === 'another' ? 'another' : 'current'
      const { url, attempt } = await singleSignOn.begin(next, account)
      setAttempts(context, c, [attempt, ...attemptsOf(context, c)])
      return c.redirect(url.href, 302)
    } catch (error) {
      if (!hasCode(error, 'busy')) throw error
      return await failedPage(web, c, { next, error })
    }
  })
  app.get(callbackPath, async (c) => {
    const attempts = attemptsOf(context, c)
    const attempt = attempts.find(({ state }) => state === c.req.query('state'))
    if (attempt === undefined) {
      const problem = 'The sign-in took too long, or was begun in another browser. Try again.'
      return await signInPage(web, c, { next: '/', problem })
    }
    setAttempts(
      context,
      c,
      attempts.filter((each) => each !== attempt),
    )
    const next = localPath(attempt.next)
    const { provider, rules } = singleSignOn
    let person: Person | null = null
    let sent: string | undefined
    try {
      const claims = await singleSignOn.finish(new URL(c.req.url).search, attempt)
      sent = describeClaims(claims, rules)
      person = personOf(claims)
      const access = await noteSignIn(context, person, matchingRules(claims, rules))
      const grant = sessionGrant(person, access, context.now())
      await signIns.accepted(await openSession(context, c, grant), { provider })
      return c.redirect(next, 303)
    } catch (error) {
      if (!hasCode(error, 'unauthenticated', 'forbidden', 'busy')) throw error
      if (error.code !== 'busy') await signIns.refused(person, { provider }, error.message)
      return await failedPage(web, c, { next, error, claims: sent })
    }
  })
}

/** Offers another attempt, since a code that was sent once cannot be sent again, and signing in
 *  with a token, for when the provider is down. `claims`: what it said of the person. */
async function failedPage(
  web: Web,
  c: AppRequest,
  { next, error, claims }: { next: string; error: StoreError; claims?: string | undefined },
): Promise<Response> {
  web.context.log.warn('single sign-on failed', { error, claims })
  const status = error.code === 'busy' ? 503 : error.code === 'forbidden' ? 403 : 401
  return await signInPage(web, c, { next, problem: sentenceOf(error.message) }, status)
}

function attemptsOf(context: AppContext, c: AppRequest): SignInAttempt[] {
  return decodeAttempts(getCookie(c, cookieName(publicOrigin(context, c), 'sso')))
}

function setAttempts(context: AppContext, c: AppRequest, attempts: readonly SignInAttempt[]): void {
  const origin = publicOrigin(context, c)
  setCookie(c, cookieName(origin, 'sso'), encodeAttempts(attempts), {
    ...cookieScope(origin),
    httpOnly: true,
    // The provider's redirect comes from another site.
    sameSite: 'Lax',
    maxAge: attempts.length === 0 ? 0 : attemptSeconds,
  })
}

/** Records a sign-in, even one without access: it takes away what earlier ones gave. Strangers
 *  leave no trace. On a full disk the record lasts until the next start. Returns the access. */
async function noteSignIn(
  { people, metadata, log, now }: AppContext,
  { id, name }: Person,
  rules: string[],
): Promise<SignInAccess> {
  const signIn = { id, name, rules, signedInAt: now() }
  if (rules.length > 0 || people.has(id)) {
    try {
      await metadata.noteSignIn(signIn)
    } catch (error) {
      log.error('cannot record a sign-in', { error: asError(error) })
    }
    people.note(signIn)
  }
  return people.accessOf(id)
}

const attemptSeconds = 600

/** Adds the session to the list of tokens. On a full disk the session is not listed, but signing
 *  in must still work: for whoever has to free space, or fetch what can still be read. */
async function noteSession(
  context: AppContext,
  session: string,
  principal: Principal,
): Promise<void> {
  try {
    const by = actorOf(principal, 'page')
    await noteToken(context, session, { at: context.now(), by })
  } catch (error) {
    context.log.error('cannot add session to the list of tokens', { error: asError(error) })
  }
}

/** Revokes the session, so that copies of the cookie become invalid, too. Errors: too_large,
 *  storage_full. */
async function endSession(context: AppContext, session: string): Promise<void> {
  try {
    await revokeToken(context, await readToken(context.keys.tokens, session))
  } catch (error) {
    // The cookie holds no valid session, so there is nothing to revoke.
    if (!hasCode(error, 'unauthenticated')) throw error
  }
}

/** Returns the path to open after signing in: always on this server, never another host. */
function localPath(text: string | undefined): string {
  // Browsers remove tabs and line feeds anywhere, and treat a backslash as a slash: `/<tab>/host`
  // names a host.
  if (text === undefined || !/^\/(?!\/)[^\\\s\p{Cc}]*$/u.test(text)) return '/'
  return URL.canParse(text, anyOrigin) && new URL(text, anyOrigin).origin === anyOrigin ? text : '/'
}

/** Any origin serves: a path resolved against it must stay on it. */
const anyOrigin = 'http://localhost'
