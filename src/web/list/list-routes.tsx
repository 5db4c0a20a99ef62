/** The list of a project's artifacts. */
import { requireInspectProject } from '../../http/access/access.ts'
import { seenBy } from '../../http/access/seen-by.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import { collectArtifacts } from '../../http/artifact/walk-artifacts.ts'
import type { Project } from '../../metadata/metadata.ts'
import { numberOfQuery } from '../input.ts'
import { listAsCsv } from './list-csv.ts'
import { inOrder } from './list-order.ts'
import { ListPage } from './list-page.tsx'
import { ChangedNotice, idsInAddressMax, outcomeOfQuery } from './list-changes.tsx'
import { filterOf, queryOf, readQuery, withSecrets } from './list-view.ts'
import { headingOf, projectOfPage } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { listPath } from '../paths.ts'
import { isRestorable } from '../../core/policy/retention.ts'

const rowsPerPage = 100

export async function listPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const { metadata, now } = context
  const { principal, project, mayInspect, mayWrite } = await projectOfPage(web.context, c)
  const query = readQuery((name) => c.req.query(name) ?? '')
  if (query.state === withSecrets) requireInspectProject(principal, project.name)
  const filter = filterOf(project, query)
  if (c.req.query('format') === 'csv') {
    const artifacts = inOrder(await collectArtifacts(context, filter), query.sort)
    const name = `artifacts-${project.name.replaceAll('/', '-')}.csv`
    return c.body(listAsCsv(artifacts, now()), 200, {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="${name}"`,
      'cache-control': 'no-store',
    })
  }
  const pageNumber = numberOfQuery(c, 'page') ?? 1
  const page = {
    limit: rowsPerPage,
    offset: (pageNumber - 1) * rowsPerPage,
    sort: query.sort,
    now: now(),
  }
  const [artifacts, sums, branches] = await Promise.all([
    metadata.findArtifacts(filter, page),
    metadata.sumArtifacts(filter, page.now),
    metadata.listRunFacts(project.id, 'branch', 100),
  ])
  const pageCount = Math.ceil(sums.artifacts / rowsPerPage)
  if (artifacts.length === 0 && pageCount > 0 && pageNumber !== pageCount) {
    const last = { ...queryOf(query), page: String(pageCount) }
    return c.redirect(listPath(project.name, last), 302)
  }
  const view = {
    project,
    query,
    branches,
    artifacts: artifacts.map((each) => seenBy(principal, each)),
    sums,
    pageNumber,
    pageCount,
    mayInspect,
    mayWrite,
    undoMs: context.config.undoMs,
    now: page.now,
  }
  const outcome = outcomeOfQuery((name) => c.req.query(name) ?? '')
  const restorable = mayWrite ? await justDeleted(context, c, project) : []
  return await sendPage(web, c, {
    ...headingOf('Artifacts', project.name),
    body: (
      <>
        {outcome !== undefined && (
          <ChangedNotice
            outcome={outcome}
            restorable={restorable}
            project={project}
            query={query}
          />
        )}
        <ListPage {...view} />
      </>
    ),
  })
}

/** Returns the ids in `?deleted=` that can still be restored. */
async function justDeleted(
  { metadata, config, now }: AppContext,
  c: AppRequest,
  project: Project,
): Promise<number[]> {
  const ids = (c.req.query('deleted') ?? '').split(',').filter((id) => /^\d{1,15}$/.test(id))
  if (ids.length === 0) return []
  const filter = {
    projectId: project.id,
    ids: ids.slice(0, idsInAddressMax).map(Number),
    state: 'deleted',
  } as const
  const page = { limit: idsInAddressMax, offset: 0, sort: 'newest', now: now() } as const
  const artifacts = await metadata.findArtifacts(filter, page)
  return artifacts
    .filter((artifact) => isRestorable(artifact, { undoMs: config.undoMs, now: now() }))
    .map(({ id }) => id)
}
