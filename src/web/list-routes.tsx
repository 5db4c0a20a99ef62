/** The list of a project's artifacts, and what is done to many of them at once. */
import { Hono } from 'hono'
import { storeError } from '../core/errors.ts'
import { changedExpiresAt } from '../core/retention.ts'
import { parsePositiveInteger } from '../core/run.ts'
import { dayMs } from '../core/units.ts'
import { requireWriteProject } from '../http/access.ts'
import type { AppContext, AppEnv, AppRequest } from '../http/context.ts'
import { removeArtifact } from '../http/deletion.ts'
import { retentionOf } from '../http/retention.ts'
import { requireDelete } from '../http/strict.ts'
import { collectArtifacts } from '../http/walk-artifacts.ts'
import { measureDeletion } from '../lifecycle/deletion.ts'
import type { Artifact, ArtifactFilter, Project } from '../metadata/metadata.ts'
import { daysOf, pageOfQuery, readForm } from './input.ts'
import { DeletedManyNotice, DeletePage } from './delete-page.tsx'
import { counted } from './format.tsx'
import { listAsCsv } from './list-csv.ts'
import { inOrder } from './list-order.ts'
import { ListPage } from './list-page.tsx'
import { type ListQuery, queryOf } from './list-view.ts'
import { crumbsOf, projectOfPage } from './page-access.ts'
import { sendPage, type Web } from './page.tsx'
import { listPath } from './paths.ts'
import { isLive, isRestorable } from './sentences.ts'

const rowsPerPage = 100
/** Of more at once only the list of deleted ones is shown, from where they are restored. */
const idsInAddressMax = 100
const sorts = ['newest', 'oldest', 'largest', 'costliest', 'expiring', 'name'] as const
const states = ['damaged', 'expired', 'deleted', 'any'] as const

export function createListPages(web: Web): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get('/:owner/:repo/artifacts', async (c) => await listPage(web, c))
  app.post('/:owner/:repo/artifacts', async (c) => await changeMany(web, c))
  return app
}

async function listPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const { metadata, now } = context
  const { project, mayWrite } = await projectOfPage(web.context, c)
  const query = readQuery((name) => c.req.query(name) ?? '')
  const filter = filterOf(project, query)
  if (c.req.query('format') === 'csv') {
    const artifacts = inOrder(await collectArtifacts(context, filter), query.sort)
    const name = `artifacts-${project.name.replace('/', '-')}.csv`
    return c.body(listAsCsv(artifacts, now()), 200, {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="${name}"`,
      'cache-control': 'no-store',
    })
  }
  const pageNumber = pageOfQuery(c)
  const page = {
    limit: rowsPerPage,
    offset: (pageNumber - 1) * rowsPerPage,
    sort: query.sort,
    now: now(),
  }
  const [{ artifacts }, sums, branches] = await Promise.all([
    metadata.listArtifacts(filter, page),
    metadata.sumArtifacts(filter, page.now),
    metadata.listRunFacts(project.id, 'branch', 100),
  ])
  const pageCount = Math.ceil(sums.artifacts / rowsPerPage)
  if (artifacts.length === 0 && pageCount > 0) {
    const last = { ...queryOf(query), page: String(pageCount) }
    return c.redirect(listPath(project.name, last), 302)
  }
  const view = {
    project,
    query,
    branches,
    artifacts,
    sums,
    pageNumber,
    pageCount,
    mayWrite,
    undoMs: context.config.undoMs,
    now: page.now,
  }
  const deleted = mayWrite ? await justDeleted(context, c, project) : []
  return await sendPage(web, c, {
    title: `Artifacts · ${project.name}`,
    crumbs: crumbsOf({ project: project.name }),
    body: (
      <>
        {deleted.length > 0 && (
          <DeletedManyNotice
            ids={deleted}
            action={listPath(project.name)}
            fields={Object.entries(queryOf(query)).map(([name, value]) => [
              `filter.${name}`,
              value,
            ])}
          />
        )}
        <ListPage {...view} />
      </>
    ),
  })
}

/** Of what was just deleted, that which can be taken back. */
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
  const { artifacts } = await metadata.listArtifacts(filter, page)
  return artifacts
    .filter((artifact) => isRestorable(artifact, { undoMs: config.undoMs, now: now() }))
    .map(({ id }) => id)
}

const keptFilters = new Map<string, ArtifactFilter>([
  ['1', { pinned: true }],
  ['latest', { keptLatest: true }],
  ['0', { pinned: false, keptLatest: false }],
])

function readQuery(read: (name: string) => string): ListQuery {
  const sort = sorts.find((each) => each === read('sort')) ?? 'newest'
  return {
    name: read('name'),
    branch: read('branch'),
    run: read('run'),
    state: states.find((each) => each === read('state')) ?? '',
    pinned: keptFilters.has(read('pinned')) ? read('pinned') : '',
    sort,
  }
}

/** Errors: invalid_request. */
function filterOf(project: Project, query: ListQuery): ArtifactFilter {
  const state = states.find((each) => each === query.state)
  return {
    projectId: project.id,
    ...(query.name !== '' && { nameContains: query.name }),
    ...(query.branch !== '' && { branch: query.branch }),
    ...(query.run !== '' && { run: parsePositiveInteger(query.run, 'run') }),
    ...keptFilters.get(query.pinned),
    ...(state !== undefined && { state }),
  }
}

async function changeMany(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const { principal, project } = await projectOfPage(context, c)
  requireWriteProject(principal, project.name)
  const form = await readForm(context, c)
  const query = readQuery((name) => form.get(`filter.${name}`) ?? '')
  const action = form.get('action')
  const artifacts = await chosenArtifacts(context, project, { form, query, action })
  const back = listPath(project.name, queryOf(query))
  switch (action) {
    case 'keep':
    case 'release':
      for (const { id } of artifacts)
        await context.metadata.setRetention(id, { pinned: action === 'keep' })
      return c.redirect(back, 303)
    case 'extend': {
      const now = context.now()
      const policy = await retentionOf(context, project.name)
      const expiresAt = changedExpiresAt(now + daysOf(form.get('days')) * dayMs, policy, now)
      for (const { id } of artifacts) await context.metadata.setRetention(id, { expiresAt })
      return c.redirect(back, 303)
    }
    case 'delete':
      return await confirmDeletion(web, c, { project, artifacts, form, back })
    case 'delete-confirmed': {
      requireWord(artifacts, form)
      await requireDelete(context, principal, artifacts)
      for (const artifact of artifacts) await removeArtifact(context, artifact)
      const ids = artifacts.length > idsInAddressMax ? [] : artifacts.map(({ id }) => id)
      const there = { ...queryOf(query), state: 'deleted', deleted: ids.join(',') }
      return c.redirect(listPath(project.name, there), 303)
    }
    case 'restore':
      for (const { id } of artifacts) await context.metadata.restoreArtifact(id, context.now())
      return c.redirect(listPath(project.name, { ...queryOf(query), state: '' }), 303)
    default:
      throw storeError('invalid_request', 'choose what to do', { field: 'action' })
  }
}

/** Those among the ticked, or all that match, to which it can be done. Errors: invalid_request when there are none. */
async function chosenArtifacts(
  context: AppContext,
  project: Project,
  { form, query, action }: { form: URLSearchParams; query: ListQuery; action: string | null },
): Promise<Artifact[]> {
  const ids = form.getAll('id').map((id) => parsePositiveInteger(id, 'id'))
  const filter = form.get('all') === '1' ? filterOf(project, query) : { projectId: project.id, ids }
  const now = context.now()
  const { undoMs } = context.config
  if (action === 'restore') {
    const found = await collectArtifacts(context, { ...filter, state: 'deleted' })
    const dead = found.filter((artifact) => isRestorable(artifact, { undoMs, now }))
    if (dead.length > 0) return dead
    throw storeError('invalid_request', 'select at least one artifact that can be restored', {
      field: 'id',
    })
  }
  const found = await collectArtifacts(context, filter)
  const live = found.filter((artifact) => isLive(artifact, now))
  if (live.length > 0) return live
  throw storeError('invalid_request', 'select at least one live artifact', { field: 'id' })
}

async function confirmDeletion(
  web: Web,
  c: AppRequest,
  chosen: { project: Project; artifacts: Artifact[]; form: URLSearchParams; back: string },
): Promise<Response> {
  const { project, artifacts, form, back } = chosen
  const ids = artifacts.map(({ id }) => id)
  const { context } = web
  const kept = [...form].filter(([name]) => name.startsWith('filter.'))
  const view = {
    artifacts,
    action: listPath(project.name),
    back,
    freedBytes: await measureDeletion(context.metadata, ids, context.now()),
    logicalBytes: artifacts.reduce((sum, { logicalBytes }) => sum + logicalBytes, 0),
    packedBytes: artifacts.reduce((sum, { zipBytes }) => sum + zipBytes, 0),
    total: artifacts.length,
    undoMinutes: Math.floor(context.config.undoMs / 60_000),
    fields: [
      ['action', 'delete-confirmed'],
      ...ids.map((id): [string, string] => ['id', String(id)]),
      ...kept,
    ] as [string, string][],
  }
  return await sendPage(web, c, {
    title: `Delete ${counted(artifacts.length, 'artifact')}`,
    crumbs: crumbsOf({ project: project.name }),
    body: <DeletePage {...view} />,
  })
}

/** Errors: invalid_request when the word is asked for and missing. */
function requireWord(artifacts: Artifact[], form: URLSearchParams): void {
  const isAsked = artifacts.length > 100 || artifacts.some(({ pinned }) => pinned)
  if (!isAsked || form.get('word') === 'delete') return
  throw storeError('invalid_request', 'type "delete" to go on', { field: 'word' })
}
