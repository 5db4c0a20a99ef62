/** The part of GitHub's REST API that clients use for artifacts (GITHUB-PROTOCOL §16), at the
 *  root and below `/api/v3`, where `gh` expects it on hosts other than github.com. */
import type { Hono } from 'hono'
import { mayReadRun, type Principal } from '../../auth/principal.ts'
import { assertLive } from '../../browse/find-artifact.ts'
import { formatWireDigest } from '../../core/bytes/digest.ts'
import { storeError } from '../../core/errors.ts'
import { isLive } from '../../core/policy/retention.ts'
import { headBranchOf, headShaOf, isSameProject } from '../../core/run/run.ts'
import { requireBearerReader } from '../../http/access/authenticate.ts'
import { seenBy } from '../../http/access/seen-by.ts'
import { signDownload } from '../../http/artifact/sign-download.ts'
import { sendJson } from '../../http/body/gzip.ts'
import { publicOrigin, type AppContext, type AppEnv, type AppRequest } from '../../http/context.ts'
import { cutPage, numberParameter, projectParameter } from '../../http/input.ts'
import { instant } from './instant.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { deleteArtifact, readRunArtifacts } from '../twirp/artifact-service.ts'
import { findReadableProject, missingFor, notFound } from './access.ts'
import { addJobRoutes } from './jobs.ts'
import { addLogRoutes } from './logs.ts'
import { pageRequestOf, repositoryUrl, setPageLinks, takePage } from './links.ts'
import { beforeParameter } from './paging.ts'
import { addPullRoutes } from './pulls.ts'
import { addRunRoutes } from './runs.ts'
import { addWorkflowRoutes } from './workflows.ts'
import { findStockForm } from '../stock-view.ts'
import { clientKindOf } from '../user-agent.ts'

export function addRestRoutes(app: Hono<AppEnv>, context: AppContext): void {
  for (const base of ['', '/api/v3']) {
    const repository = `${base}/repos/:owner/:repo`
    addArtifactRoutes(app, context, `${repository}/actions`)
    addRunRoutes(app, context, repository)
    addPullRoutes(app, context, repository)
    addWorkflowRoutes(app, context, repository)
    addJobRoutes(app, context, repository)
    addLogRoutes(app, context, repository)
  }
  for (const unknown of ['/repos/*', '/api/v3/*']) {
    app.all(unknown, (c) => {
      const { method, path } = c.req
      // Clients show only the message, and many blame the run or the token for a 404.
      const message = `Not Found: this server implements only the artifact and run routes of GitHub's REST API, not ${method} ${path}`
      throw storeError('not_found', message, { what: 'route' })
    })
  }
}

function addArtifactRoutes(app: Hono<AppEnv>, context: AppContext, base: string): void {
  app.get(`${base}/runs/:run/artifacts`, async (c) => {
    const principal = await requireBearerReader(context, c)
    const place = {
      project: projectParameter(c),
      runNumber: numberParameter(c, 'run', 'run_id'),
    }
    if (!mayReadRun(principal, place)) throw missingFor(principal, place.project, 'artifact')
    const name = c.req.query('name')
    const artifacts = await readRunArtifacts(context, place, {
      state: 'any',
      name,
    })
    const listed = artifacts.filter((each) => each.state !== 'deleted').sort((a, b) => b.id - a.id)
    if (c.req.query('direction') === 'asc') listed.reverse()
    return await listResponse(context, c, takePage(context, c, listed), listed.length)
  })

  app.get(`${base}/artifacts`, async (c) => {
    const project = await findReadableProject(context, c)
    if (project === undefined) return await listResponse(context, c, takePage(context, c, []), 0)
    const filter = { projectId: project.id, name: c.req.query('name') }
    const now = context.now()
    const { page, perPage } = pageRequestOf(c)
    // Whoever follows the links does not make each page scan all pages before it, and misses none
    // when artifacts of a page are deleted before the next.
    const beforeId = beforeOf(c)
    const offset = beforeId === undefined ? (page - 1) * perPage : 0
    const found = await context.metadata.findArtifacts(
      beforeId === undefined ? filter : { ...filter, beforeId },
      { limit: perPage + 1, offset, sort: 'newest', now },
    )
    const { items: artifacts, last } = cutPage(found, perPage)
    const isWhole = last === undefined && page === 1 && beforeId === undefined
    const total = isWhole ? artifacts.length : await context.metadata.countArtifacts(filter, now)
    setPageLinks(context, c, total, last?.id ?? null)
    return await listResponse(context, c, artifacts, total)
  })

  app.get(`${base}/artifacts/:id`, async (c) => {
    const { artifact } = await readArtifact(context, c)
    return c.json(await artifactObject(context, c, artifact))
  })

  /** GITHUB-PROTOCOL §1.20: exactly 302, absolute; permission is checked before the signed URL
   *  is made. */
  app.get(`${base}/artifacts/:id/zip`, async (c) => {
    const { principal, artifact } = await readArtifact(context, c)
    assertLive(artifact, context.now())
    const location = publicOrigin(context, c) + signDownload(context, principal, artifact).address
    return new Response(null, { status: 302, headers: { location, 'cache-control': 'no-store' } })
  })

  app.delete(`${base}/artifacts/:id`, async (c) => {
    const { principal, artifact } = await readArtifact(context, c)
    if (!isLive(artifact, context.now())) throw notFound('artifact')
    await deleteArtifact(context, principal, artifact)
    return new Response(null, { status: 204 })
  })
}

/** Ignores what is no id, as parameters of paging are. */
function beforeOf(c: AppRequest): number | undefined {
  const text = c.req.query(beforeParameter) ?? ''
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined
}

/** Returns the artifact of the route, tombstones included. Errors: unauthenticated, not_found
 *  (also for those of others). */
async function readArtifact(
  context: AppContext,
  c: AppRequest,
): Promise<{ principal: Principal; artifact: Artifact }> {
  const principal = await requireBearerReader(context, c)
  const project = projectParameter(c)
  const artifact = await context.metadata.findArtifact(numberParameter(c, 'id', 'artifact_id'))
  const isIts = artifact !== undefined && isSameProject(artifact.project, project)
  if (isIts && mayReadRun(principal, artifact))
    return { principal, artifact: seenBy(principal, artifact) }
  throw missingFor(principal, project, 'artifact')
}

async function listResponse(
  context: AppContext,
  c: AppRequest,
  artifacts: Artifact[],
  total: number,
): Promise<Response> {
  await context.checkpoint?.('listed')
  const objects: object[] = []
  for (const artifact of artifacts) objects.push(await artifactObject(context, c, artifact))
  return await sendJson(c, { total_count: total, artifacts: objects })
}

async function artifactObject(
  context: AppContext,
  c: AppRequest,
  artifact: Artifact,
): Promise<object> {
  const client = clientKindOf(c.req.header('user-agent'))
  const form = isLive(artifact, context.now())
    ? await findStockForm(context.metadata, artifact, client)
    : undefined
  const digest = form === undefined ? artifact.zipDigest : form.digest
  const url = `${repositoryUrl(context, c, artifact.project)}/actions/artifacts/${artifact.id}`
  return {
    id: artifact.id,
    node_id: Buffer.from(`Artifact:${artifact.id}`).toString('base64'),
    name: artifact.name,
    size_in_bytes: form?.sizeBytes ?? artifact.zipBytes,
    url,
    archive_download_url: `${url}/zip`,
    expired: form === undefined,
    created_at: instant(artifact.createdAt),
    updated_at: instant(artifact.createdAt),
    expires_at: instant(artifact.expiresAt),
    digest: digest && formatWireDigest(digest),
    workflow_run: {
      id: artifact.runNumber,
      repository_id: artifact.projectId,
      head_repository_id: artifact.projectId,
      head_branch: headBranchOf(artifact),
      head_sha: headShaOf(artifact),
    },
  }
}
