/** Sends a page: wraps it in the document, adds a nonce for its scripts and the policy that
 *  allows only these, and compresses it. */
import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import { randomBytes } from 'node:crypto'
import { publicOrigin, type AppContext, type AppRequest } from '../http/context.ts'
import { bidiControls } from '../core/bidi-controls.ts'
import { isLoopback } from '../core/loopback.ts'
import { nextTurn } from '../core/turn.ts'
import { sendBytes } from '../http/body/gzip.ts'
import type { AssetName, Assets } from './assets.ts'
import { type Crumb, Layout } from './layout.tsx'
import type { Renderer } from './renderer.ts'

export interface PageContent {
  title: string
  crumbs?: Crumb[]
  body: Child
  /** Modules besides `every-page`. */
  scripts?: AssetName[]
  status?: PageStatus
}

export const pageStatuses = [200, 400, 401, 403, 404, 405, 409, 410, 413, 422, 500, 503] as const
export type PageStatus = (typeof pageStatuses)[number]

/** What all page routes need. */
export interface Web {
  context: AppContext
  assets: Assets
  renderer: Renderer
}

export async function sendPage(web: Web, c: AppRequest, content: PageContent): Promise<Response> {
  const { document, headers } = await renderPage(web, c, content)
  const { status = 200 } = content
  return await sendBytes(c, Buffer.from(document), { status, headers, level: 6 })
}

/** Returns the address of the sign-in page, which leads back to the page that was requested. */
export function signInPath(c: AppRequest): string {
  const { pathname, search } = new URL(c.req.url)
  const next = c.req.method === 'GET' ? pathname + search : '/'
  return `/sign-in?next=${encodeURIComponent(next)}`
}

/** Renders the document and the headers of its response. */
export async function renderPage(
  web: Web,
  c: AppRequest,
  content: PageContent,
): Promise<{ document: string; headers: Record<string, string> }> {
  // Not in the turn in which a long part of the body was rendered.
  await nextTurn()
  const nonce = randomBytes(16).toString('base64')
  const { title, crumbs = [], body, scripts = [] } = content
  const principal = c.get('principal')
  const document = await html`<!doctype html>${(
      <Layout
        title={title}
        crumbs={crumbs}
        principal={principal}
        path={c.req.path}
        signIn={signInPath(c)}
        nonce={nonce}
        style={web.assets.pathOf('style.css')}
        scripts={(['every-page', ...scripts] as const).map((name) => web.assets.pathOf(name))}
      >
        {body}
      </Layout>
    )}`
  const headers: Record<string, string> = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy(web, nonce),
    // On an insecure origin browsers ignore this header and log a warning for every page.
    ...(isTrustworthy(publicOrigin(web.context, c)) && {
      'cross-origin-opener-policy': 'same-origin',
    }),
    // Pages are private, and an artifact can expire at any time.
    'cache-control': 'no-store',
    vary: 'Accept-Encoding',
  }
  return { document: withMarksReplaced(String(document)), headers }
}

/** Replaces bidirectional control characters in text with U+FFFD. Names and contents come from
 *  strangers, and such a character could reorder our own text beside them. Attribute values are
 *  left alone, since forms send them back. */
export function withMarksReplaced(document: string): string {
  // Nearly all pages contain none, and the replacement below takes ten times as long as this
  // search.
  if (document.search(bidiControls) === -1) return document
  return document.replaceAll(/>[^<]+/g, (text) => text.replaceAll(bidiControls, '\ufffd'))
}

/** Whether browsers consider the origin potentially trustworthy (W3C Secure Contexts §3.1). */
function isTrustworthy(origin: string): boolean {
  const { protocol, hostname } = new URL(origin)
  return protocol === 'https:' || isLoopback(hostname)
}

/** The page's content security policy. Only scripts with the nonce of this response run, and
 *  none can turn text into markup or code (Trusted Types). Bytes of artifacts appear only as
 *  image, audio or video, or in frames whose policy the content routes set. */
function policy(web: Web, nonce: string): string {
  const { contentUrl } = web.context.config
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    "worker-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "media-src 'self'",
    "connect-src 'self'",
    `frame-src 'self'${contentUrl === null ? '' : ` ${contentUrl}`}`,
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types trove',
  ].join('; ')
}
