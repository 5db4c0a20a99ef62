/** Composes all routes and the middleware of every request: request id, log line, counters,
 *  rejection of new work during a stop, draining the body before the response, and the error
 *  boundary. */
import { Hono, type MiddlewareHandler } from 'hono'
import { randomBytes } from 'node:crypto'
import { azureErrorResponse } from '../actions/azure/error.ts'
import { addBlobRoutes } from '../actions/azure/blob-routes.ts'
import { addDownloadRoutes } from '../actions/download-routes.ts'
import { restErrorResponse } from '../actions/rest/error.ts'
import { addRestRoutes } from '../actions/rest/routes.ts'
import { twirpErrorResponse } from '../actions/twirp/error.ts'
import { addTwirpRoutes } from '../actions/twirp/routes.ts'
import { apiRoot } from '../api/paths.ts'
import { notFound, storeError } from '../core/errors.ts'
import { onlyContentOnItsHost } from '../web/artifact/content-routes.ts'
import { loggedPath } from '../web/artifact/content-origin.ts'
import { createPages } from '../web/page-routes.tsx'
import type { Renderer } from '../web/renderer.ts'
import { davErrorResponse } from './dav/dav-error.ts'
import { addDavRoutes } from './dav/dav-routes.ts'
import { addClientPackageRoutes } from './operation/client-package.ts'
import type { AppContext, AppEnv, AppRequest } from './context.ts'
import { type FailureRenderer, noteFailure } from './failure.ts'
import type { RouteGroup } from './operation/metrics.ts'
import { addNativeRoutes } from './native-routes.ts'
import { addOperationRoutes } from './operation/operation-routes.ts'
import { problemResponse } from './problem.ts'
import { clientClosedRequest, watchRequest } from './request-log.ts'
import { drainBody } from './body/request-body.ts'

export function createApp(context: AppContext, renderer: Renderer): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  const pages = createPages(context, renderer)
  app.use(
    '*',
    identify(context),
    drainUnread,
    secure,
    onlyContentOnItsHost(context),
    rejectWhileStopping(context),
    rejectWithoutRoom(context),
  )
  addOperationRoutes(app, context)
  addClientPackageRoutes(app)
  addTwirpRoutes(app, context)
  addBlobRoutes(app, context)
  addDownloadRoutes(app, context)
  addRestRoutes(app, context)
  addNativeRoutes(app, context)
  addDavRoutes(app, context)
  // Before the pages: their `/:owner/:repo` would match some of these paths.
  app.all('/api/*', (c) => failureResponse(c, routeNotFound(app, c)))
  app.route('/', pages.routes)
  app.notFound(async (c) => {
    const failure = routeNotFound(app, c)
    return expectsPage(c) ? await pages.sendProblem(c, failure) : failureResponse(c, failure)
  })
  app.onError(async (error, c) => {
    // Somebody who follows a link to a download.
    return downloads.test(c.req.path) && expectsPage(c)
      ? await pages.sendProblem(c, error)
      : failureResponse(c, error)
  })
  return app
}

const downloads = /^\/(?:api\/v1|artifacts\/download)\//

function routeNotFound(app: Hono<AppEnv>, c: AppRequest): Error {
  const what = `${c.req.method} ${c.req.path}`
  const allowed = methodsOf(app, c.req.path)
  if (allowed.length > 0) {
    const message = `there is no route ${what}; this path accepts ${allowed.join(', ')}`
    return storeError('method_not_allowed', message, { allowed })
  }
  const isPage = expectsPage(c)
  const missing = isPage ? `there is no page ${c.req.path}` : `there is no route ${what}`
  // The path may contain a project in subgroups with its slashes unreplaced.
  const remedy =
    c.req.path.startsWith(`${apiRoot}/projects/`) || isPage
      ? '; a project takes two path segments there, such as acme~platform/api'
      : ''
  return notFound(what, `${missing}${remedy}`)
}

/** Returns the methods for which the path has a route. Page routes also match paths below
 *  `/api/`, but are never reached there, so they do not count. */
function methodsOf({ router }: Hono<AppEnv>, path: string): string[] {
  const isReached = (route: string): boolean =>
    route.startsWith('/api/') === path.startsWith('/api/')
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((method) =>
    router
      .match(method, path)[0]
      .some(([[, route]]) => route.method === method && isReached(route.path)),
  )
  return methods.includes('GET') ? ['HEAD', ...methods] : methods
}

/** Whether the request comes from a browser that expects a page. */
function expectsPage(c: AppRequest): boolean {
  return c.req.method === 'GET' && c.req.header('accept')?.includes('text/html') === true
}

/** Paths whose clients expect errors in a format other than problem+json. Pages render their
 *  own. */
const surfaces: readonly [paths: RegExp, render: FailureRenderer][] = [
  [/^\/twirp(?:\/|$)/, twirpErrorResponse],
  [/^\/blob(?:\/|$)/, azureErrorResponse],
  [/^\/(?:repos|api\/v3)(?:\/|$)/, restErrorResponse],
  [/^\/dav(?:\/|$)/, davErrorResponse],
]

/** Renders an error outside of pages, in the format that clients of the path expect. */
function failureResponse(c: AppRequest, error: unknown): Response {
  const failure = noteFailure(c, error)
  const [, render] = surfaces.find(([paths]) => paths.test(c.req.path)) ?? [null, problemResponse]
  return render(failure, c.get('requestId'))
}

function identify(context: AppContext): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const requestId = randomBytes(8).toString('hex')
    const startedAt = performance.now()
    c.set('requestId', requestId)
    c.set('log', context.log.with({ requestId }))
    context.metrics.begin()
    // Never the query: a signed URL is a credential. `loggedPath` redacts content URLs, which have
    // theirs in the path.
    const writeLine = watchRequest(c, {
      path: loggedPath(c.req.path),
      onSent: context.metrics.sent,
    })
    try {
      await next()
    } catch (error) {
      // `onError` receives only `Error`s, but the adapter aborts a client's signal with a string as
      // its reason.
      c.res = failureResponse(c, error)
    }
    c.res.headers.set('x-request-id', requestId)
    const group = groupOf(c.req.path)
    const failure = c.get('failure')
    const status = failure === 'aborted' ? clientClosedRequest : c.res.status
    context.metrics.end(group, status, { durationMs: performance.now() - startedAt, failure })
    writeLine(group === 'operation' ? 'debug' : 'info', status)
  }
}

function groupOf(path: string): RouteGroup {
  if (/^\/(?:healthz|readyz|metrics)$/.test(path)) return 'operation'
  if (/^\/(?:blob|artifacts\/download)\//.test(path)) return 'blob'
  if (/^\/(?:twirp|repos|api\/v3)\//.test(path)) return 'actions'
  return /^\/(?:api|dav)(?:\/|$)/.test(path) ? 'api' : 'page'
}

/** GITHUB-PROTOCOL §1.21: clients see a response that was sent before the body was read as
 *  ECONNRESET. */
const drainUnread: MiddlewareHandler<AppEnv> = async (c, next) => {
  await next()
  const isDrained = await drainBody(c)
  if (!isDrained) c.res.headers.set('connection', 'close')
}

const secure: MiddlewareHandler<AppEnv> = async (c, next) => {
  await next()
  const { headers } = c.res
  headers.set('x-content-type-options', 'nosniff')
  // An artifact can expire or be deleted, and content delivery networks keep responses that do not
  // say, redirects to artifacts included. ETags make it cheap to ask again.
  if (!headers.has('cache-control')) headers.set('cache-control', 'private, no-cache')
  const isDocument = headers.get('content-type')?.startsWith('text/html') === true
  if (!isDocument) return
  // Documents of artifacts are framed by our pages; their own policy says who may frame them.
  if (!c.req.path.startsWith('/content/')) headers.set('x-frame-options', 'DENY')
  if (!headers.has('referrer-policy')) headers.set('referrer-policy', 'same-origin')
  // Pages and files set their own.
  if (!headers.has('content-security-policy')) headers.set('content-security-policy', emptyPolicy)
}

const emptyPolicy =
  "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

function rejectWhileStopping(context: AppContext): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (context.stopping.aborted && groupOf(c.req.path) !== 'operation') {
      throw storeError('shutting_down', 'the server is stopping', {})
    }
    await next()
  }
}

/** Requests that upload bytes or announce them. All others still work when the disk is nearly
 *  full. */
const uploadRoutes: readonly [method: string, path: RegExp][] = [
  ['PUT', /^\/(?:blob|api\/v1\/projects)\//],
  ['POST', /^\/twirp\/.*\/CreateArtifact$/],
  ['POST', /^\/api\/v1\/uploads(?:\/check|\/[0-9a-f]+\/(?!commit$).*)?$/],
]

/** Rejects uploads before the body is read, so that clients do not send it in vain. */
function rejectWithoutRoom(context: AppContext): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const { method, path } = c.req
    if (uploadRoutes.some(([each, pattern]) => each === method && pattern.test(path))) {
      await context.space.requireRoom()
    }
    await next()
  }
}
