/** WebDAV for reading (RFC 4918, class 1): artifacts as a network folder, laid out by tree.ts. */
import type { Hono } from 'hono'
import { davRoot } from '../../api/paths.ts'
import { readFileEntry } from '../../browse/entries.ts'
import { forbidden, invalidRequest, notFound, storeError } from '../../core/errors.ts'
import { representFile } from '../../egress/egress.ts'
import { requireBasicReader } from '../access/authenticate.ts'
import { inPieces, sendPieces } from '../body/lines.ts'
import { mediaTypeOf, untrustedContentPolicy } from '../body/media-type.ts'
import { sendUnderLease } from '../body/reading.ts'
import { readBytesBody } from '../body/request-body.ts'
import type { AppContext, AppEnv, AppRequest } from '../context.ts'
import { decodePath } from '../input.ts'
import { finiteDepthError, httpDate, multistatus, xmlType } from './multistatus.ts'
import { parsePropfind, propfindLimit } from './propfind.ts'
import { findPlace } from './tree.ts'

const allowed = ['OPTIONS', 'GET', 'HEAD', 'PROPFIND']

export function addDavRoutes(app: Hono<AppEnv>, context: AppContext): void {
  // RFC 4918 §10.1. By reports, Windows also asks the root of the host, and takes only servers with
  // the second header for WebDAV.
  const options = { dav: '1', 'ms-author-via': 'DAV', allow: allowed.join(', ') }
  app.on('OPTIONS', ['/', `${davRoot}/*`], (c) => c.body(null, 200, options))
  app.on('PROPFIND', `${davRoot}/*`, async (c) => await listProperties(context, c))
  app.get(`${davRoot}/*`, async (c) => await sendFile(context, c))
  app.all(`${davRoot}/*`, (c) => {
    const message = `artifacts are read-only here: there is no ${c.req.method}`
    // RFC 4918 §9.3.1: status 405 means that there is something at this address, which rclone takes
    // for success.
    throw c.req.method === 'MKCOL' ? forbidden(message) : notAllowed(message, allowed)
  })
}

async function listProperties(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requireBasicReader(context, c)
  const wanted = parsePropfind(await readBytesBody(context, c, propfindLimit))
  // RFC 4918 §9.1: a request without the header means all levels, which a server may refuse.
  const depth = (c.req.header('depth') ?? 'infinity').toLowerCase()
  if (depth === 'infinity') return c.body(finiteDepthError, 403, { 'content-type': xmlType })
  if (depth !== '0' && depth !== '1')
    throw invalidRequest('depth', 'the Depth header must be 0 or 1')
  const segments = segmentsOf(c)
  const place = await findPlace({ context, principal }, segments)
  const isFolder = place.kind === 'folder'
  const path = formatPath(segments) + (isFolder && segments.length > 0 ? '/' : '')
  const children = isFolder && depth === '1' ? place.children : []
  const texts = multistatus({ path, item: place.item, children }, wanted, context.now())
  return await sendPieces(context, c, inPieces(texts, String), {
    status: 207,
    type: xmlType,
    // RFC 4918 §5.2: tells a client that left it out of the slash.
    headers: { 'content-location': path },
    gzip: { level: 1 },
  })
}

async function sendFile(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requireBasicReader(context, c)
  const place = await findPlace({ context, principal }, segmentsOf(c))
  // RFC 4918 §9.4: a server may decide what GET of a collection returns.
  if (place.kind === 'folder')
    throw notAllowed('this is a folder: PROPFIND lists it', ['OPTIONS', 'PROPFIND'])
  const { artifact, path, item } = place
  // As files of artifacts are sent elsewhere (http/artifact/files.ts), without gzip: the ETag must
  // be that of PROPFIND (RFC 4918 §15.6).
  c.header('content-security-policy', untrustedContentPolicy)
  c.header('cross-origin-resource-policy', 'same-origin')
  c.header('last-modified', httpDate(item.modifiedAt, context.now()) ?? undefined)
  return await sendUnderLease(context, c, {
    artifacts: [artifact],
    represent: async () => {
      const file = await readFileEntry(context.metadata, artifact, path)
      const contentType = mediaTypeOf(item.name)
      return await representFile(context, artifact, file, { contentType })
    },
    mode: 'ranged',
    disposition: 'inline',
  })
}

/** Returns the percent-decoded segments below the root. Errors: invalid_request (malformed escape),
 *  not_found (no name is empty or has a slash). */
function segmentsOf(c: AppRequest): string[] {
  const [, , ...segments] = new URL(c.req.url).pathname.split('/')
  if (segments.at(-1) === '') segments.pop()
  return segments.map((segment) => {
    const name = decodePath(segment)
    if (name === '' || name.includes('/')) throw notFound(c.req.path)
    return name
  })
}

function formatPath(segments: readonly string[]): string {
  return `${davRoot}/${segments.map(encodeURIComponent).join('/')}`
}

function notAllowed(message: string, methods: string[]): Error {
  return storeError('method_not_allowed', message, { allowed: methods })
}
