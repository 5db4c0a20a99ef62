/** Sends a page: the document around it, a nonce for its scripts, the policy that only those pass, gzip. */
import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import { randomBytes } from 'node:crypto'
import { publicOrigin, type AppContext, type AppRequest } from '../http/context.ts'
import { turningMarks } from '../core/turning-marks.ts'
import { sendBytes } from '../http/body/gzip.ts'
import type { AssetName, Assets } from './assets.ts'
import { type Crumb, Layout } from './layout.tsx'
import type { Renderer } from './renderer.ts'

export interface PageContent {
  title: string
  crumbs?: Crumb[]
  body: Child
  /** Modules besides the one of every page. */
  scripts?: AssetName[]
  status?: PageStatus
}

export type PageStatus = 200 | 400 | 401 | 403 | 404 | 405 | 409 | 410 | 413 | 422 | 500 | 503

/** What the pages are made from. */
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

/** The document, and the headers of its answer. */
export async function renderPage(
  web: Web,
  c: AppRequest,
  content: PageContent,
): Promise<{ document: string; headers: Record<string, string> }> {
  const nonce = randomBytes(16).toString('base64')
  const { title, crumbs = [], body, scripts = [] } = content
  const principal = c.get('principal')
  const document = await html`<!doctype html>${(
      <Layout
        title={title}
        crumbs={crumbs}
        principal={principal}
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
    // Over plain http from another machine browsers ignore it and say so on every page.
    ...(isTrustworthy(publicOrigin(web.context, c)) && {
      'cross-origin-opener-policy': 'same-origin',
    }),
    // Pages are private, and an artifact can end at any time.
    'cache-control': 'no-store',
    vary: 'Accept-Encoding',
  }
  return { document: withTurnsShown(String(document)), headers }
}

/** Names and contents come from strangers, and what they turn would be text of ours beside them. Values of attributes stay as
 *  they are: forms send them. */
function withTurnsShown(document: string): string {
  // Nearly all pages have none, and taking a large one text by text takes ten times as long.
  if (document.search(turningMarks) === -1) return document
  return document.replaceAll(/>[^<]+/g, (text) => text.replaceAll(turningMarks, '\ufffd'))
}

/** As browsers judge it (W3C Secure Contexts §3.1). */
function isTrustworthy(origin: string): boolean {
  const { protocol, hostname } = new URL(origin)
  return protocol === 'https:' || /^(127(\.\d+){3}|\[::1\]|(.+\.)?localhost)$/.test(hostname)
}

/** Nothing runs but what this answer names; no script can turn text into markup or code (Trusted Types); bytes of
 *  artifacts are shown as pictures, sound and film, or in frames that the content routes police. */
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
