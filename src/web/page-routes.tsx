/** All pages: HTML that works without scripts and gains comfort with them. Visitors without a
 *  session are redirected to the sign-in page; failures are pages, too. */
import { Hono } from 'hono'
import { isAnonymous, mayAdminister, mayReadProject, mayWriteProject } from '../auth/principal.ts'
import { sameNameAs } from '../browse/previous.ts'
import { hasCode } from '../core/errors.ts'
import type { AppContext, AppEnv, AppRequest } from '../http/context.ts'
import { noteFailure } from '../http/failure.ts'
import { acceptsGzip } from '../http/body/gzip.ts'
import { problemResponse, problemStatus } from '../http/problem.ts'
import { accountPage, changeTokens } from './account/account-routes.tsx'
import {
  changeExpiry,
  deleteArtifact,
  deletePage,
  dismissSecrets,
  keepArtifact,
  undoDelete,
} from './artifact/artifact-action-routes.tsx'
import {
  changesPage,
  detailsPage,
  filePage,
  filesPage,
  goToFile,
  pathsOfArtifact,
  usedPage,
} from './artifact/artifact-routes.tsx'
import { createContentRoutes } from './artifact/content-routes.ts'
import { historyPage } from './artifact/history-routes.tsx'
import { isDownload, latestPage } from './artifact/latest-routes.ts'
import { sizesPage } from './artifact/sizes-routes.tsx'
import { loadAssets } from './assets.ts'
import { auditPage } from './audit/audit-routes.tsx'
import { chosenPair, pairPage } from './compare/compare-routes.tsx'
import { findPage } from './find/find-routes.tsx'
import { searchPage } from './find/search-routes.tsx'
import { changeMany } from './list/list-changes.tsx'
import { listPage } from './list/list-routes.tsx'
import { maintenancePage, startMaintenance } from './maintenance/maintenance-routes.tsx'
import { pageStatuses, sendPage, signInPath, type Web } from './page.tsx'
import { existingCrumbs } from './page-access.ts'
import { accountPath, artifactRoute, maintenancePath } from './paths.ts'
import { describeProblem, type GoneView, ProblemPage } from './problem-page.tsx'
import { homePage, projectPage } from './project/project-routes.tsx'
import {
  changeSettings,
  retentionPage,
  settingsPage,
  showSettings,
} from './project/settings-routes.tsx'
import { trendPage } from './project/trend-routes.tsx'
import type { Renderer } from './renderer.ts'
import { isRestorable } from '../core/policy/retention.ts'
import { createRunPages } from './run/run-routes.tsx'
import { createSignInPages } from './sign-in/sign-in-routes.tsx'
import { projectStorage, storeStorage } from './storage/storage-routes.tsx'
import { revokeTokens, tokensPage } from './tokens/tokens-routes.tsx'
import { uploadPage } from './upload/upload-routes.tsx'

type Handler = (web: Web, c: AppRequest) => Promise<Response>

const project = '/:owner/:repo'

/** Pages by address, besides those of modules with a state of their own; the first match counts. */
const pages: [path: string, page: Handler][] = [
  ['/', homePage],
  [accountPath, accountPage],
  ['/find', findPage],
  [maintenancePath(), maintenancePage],
  ['/admin/audit', auditPage],
  ['/admin/storage', storeStorage],
  ['/admin/tokens', tokensPage],
  [project, projectPage],
  [`${project}/artifacts`, listPage],
  [`${project}/search`, searchPage],
  [`${project}/latest/:branch/:name`, latestPage],
  [`${project}/latest/:branch/:name/*`, latestPage],
  [`${project}/compare`, chosenPair],
  [`${project}/compare/:pair`, pairPage],
  [`${project}/trends`, trendPage],
  [`${project}/storage`, projectStorage],
  [`${project}/upload`, uploadPage],
  [`${project}/settings`, async (web, c) => await showSettings(web, c, settingsPage)],
  [`${project}/settings/retention`, async (web, c) => await showSettings(web, c, retentionPage)],
  [`${project}/settings/audit`, auditPage],
  [`${project}/settings/tokens`, tokensPage],
  [artifactRoute, filesPage],
  [`${artifactRoute}/tree/*`, filesPage],
  [`${artifactRoute}/blob/*`, filePage],
  [`${artifactRoute}/history/*`, historyPage],
  [`${artifactRoute}/sizes/*`, sizesPage],
  [`${artifactRoute}/changes`, changesPage],
  [`${artifactRoute}/used`, usedPage],
  [`${artifactRoute}/details`, detailsPage],
  [`${artifactRoute}/go`, goToFile],
  [`${artifactRoute}/paths`, pathsOfArtifact],
  [`${artifactRoute}/delete`, deletePage],
]

/** Where forms are sent. */
const forms: [path: string, action: Handler][] = [
  [accountPath, changeTokens],
  [maintenancePath(), startMaintenance],
  ['/admin/tokens', revokeTokens],
  [`${project}/artifacts`, changeMany],
  [`${project}/settings`, async (web, c) => await changeSettings(web, c, settingsPage)],
  [`${project}/settings/retention`, async (web, c) => await changeSettings(web, c, retentionPage)],
  [`${project}/settings/tokens`, revokeTokens],
  [`${artifactRoute}/delete`, deleteArtifact],
  [`${artifactRoute}/undo`, undoDelete],
  [`${artifactRoute}/keep`, keepArtifact],
  [`${artifactRoute}/secrets`, dismissSecrets],
  [`${artifactRoute}/expire`, changeExpiry],
]

export interface Pages {
  routes: Hono<AppEnv>
  /** Sends the page that reports `error`. */
  sendProblem(c: AppRequest, error: unknown): Promise<Response>
}

export function createPages(context: AppContext, renderer: Renderer): Pages {
  const web: Web = { context, assets: loadAssets(), renderer }
  const routes = new Hono<AppEnv>()
  routes.get('/assets/:file', (c) => sendAsset(web, c))
  // Public projects have a page per file of every run, and a comparison per pair of runs.
  routes.get('/robots.txt', (c) => c.text('User-agent: *\nDisallow: /\n'))
  routes.route('/', createContentRoutes(context))
  routes.route('/', createSignInPages(web))
  routes.route('/', createRunPages(web))
  for (const [path, page] of pages) routes.get(path, async (c) => await page(web, c))
  for (const [path, action] of forms) routes.post(path, async (c) => await action(web, c))
  const sendProblem: Pages['sendProblem'] = async (c, error) => await problemPage(web, c, error)
  routes.onError(async (error, c) => {
    // A program would take the page for signing in, with its status 200, for the download.
    const isForProgram = isDownload(c) && c.req.header('accept')?.includes('text/html') !== true
    return isForProgram
      ? problemResponse(noteFailure(c, error), c.get('requestId'))
      : await sendProblem(c, error)
  })
  return { routes, sendProblem }
}

/** File names change with the content, so browsers may cache an asset forever. */
function sendAsset({ assets }: Web, c: AppRequest): Response {
  const asset = assets.find(c.req.param('file') ?? '')
  if (asset === undefined) return c.body('no such file', 404)
  const isGzip = acceptsGzip(c)
  return c.body(new Uint8Array(isGzip ? asset.gzip : asset.bytes), 200, {
    'content-type': asset.contentType,
    'cache-control': 'public, max-age=31536000, immutable',
    'cross-origin-resource-policy': 'same-origin',
    vary: 'Accept-Encoding',
    // A worker takes its policy from its own response. Ours only compute and send requests to this
    // server.
    'content-security-policy': "default-src 'none'; connect-src 'self'",
    ...(isGzip && { 'content-encoding': 'gzip' }),
  })
}

async function problemPage(web: Web, c: AppRequest, error: unknown): Promise<Response> {
  const failure = noteFailure(c, error)
  // Programs ask so, and browsers that resume a download: neither shows a page.
  if (hasCode(error, 'precondition_failed', 'range_not_satisfiable'))
    return problemResponse(failure, c.get('requestId'))
  if (hasCode(error, 'unauthenticated')) return c.redirect(signInPath(c), 302)
  const code = failure === undefined ? 500 : problemStatus(failure.code)
  const status = pageStatuses.find((each) => each === code) ?? 500
  if (hasCode(error, 'method_not_allowed')) c.header('allow', error.details.allowed.join(', '))
  const gone = hasCode(error, 'artifact_deleted', 'artifact_expired')
    ? await goneView(web.context, c, error.details.artifactId)
    : undefined
  // Without a principal the address is no page at all, and no other token would change that.
  const crumbs = status < 500 ? await existingCrumbs(web.context, c) : []
  const isInReadable = status === 404 && crumbs.length > 0
  const problem = describeProblem(failure, status)
  if (isInReadable) problem.advice = 'The links at the top lead to what exists.'
  const principal = c.get('principal')
  const seesAll = principal !== undefined && mayAdminister(principal)
  if (status === 404 && seesAll && !isInReadable) problem.advice = 'Check the address.'
  // Without a session, the link at the top suffices.
  const otherTokenMayHelp =
    principal !== undefined &&
    !isAnonymous(principal) &&
    !seesAll &&
    (status === 403 || (status === 404 && !isInReadable))
  const signIn = otherTokenMayHelp ? signInPath(c) : null
  const queryMayBeWrong =
    status === 400 && c.req.method === 'GET' && new URL(c.req.url).search !== ''
  const body = (
    <ProblemPage
      problem={problem}
      requestId={c.get('requestId')}
      gone={gone}
      signIn={signIn}
      queryMayBeWrong={queryMayBeWrong}
    />
  )
  const { title } = problem
  return await sendPage(web, c, {
    title,
    crumbs: [...crumbs, { label: title, href: '' }],
    body,
    status,
  })
}

/** What is known of a deleted or expired artifact. The caller has checked that the visitor may
 *  read it. */
async function goneView(
  { metadata, config, now }: AppContext,
  c: AppRequest,
  artifactId: number,
): Promise<GoneView | undefined> {
  const artifact = await metadata.findArtifact(artifactId)
  const principal = c.get('principal')
  if (artifact === undefined || principal === undefined) return undefined
  const successor = mayReadProject(principal, artifact.project)
    ? await metadata.findNewest(sameNameAs(artifact), now())
    : undefined
  const mayWrite = mayWriteProject(principal, artifact.project)
  const mayUndo = mayWrite && isRestorable(artifact, { undoMs: config.undoMs, now: now() })
  return { artifact, successor, mayUndo, mayWrite, now: now() }
}
