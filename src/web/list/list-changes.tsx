/** Bulk actions on the artifacts of a project's list, and the notice that reports their outcome. */
import { invalidRequest } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { changedExpiresAt, isLive, isRestorable } from '../../core/policy/retention.ts'
import { parsePositiveInteger } from '../../core/run/run.ts'
import { dayMs, counted, formatCount } from '../../core/units.ts'
import { authorOf } from '../../http/access/actor.ts'
import { requireWriteProject } from '../../http/access/access.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import { removeArtifacts } from '../../http/artifact/deletion.ts'
import { retentionOf } from '../../http/artifact/retention.ts'
import { requireDelete } from '../../http/access/strict.ts'
import { collectArtifacts, tooManyArtifacts } from '../../http/artifact/walk-artifacts.ts'
import { explainDeletion } from '../../lifecycle/collect/deletion.ts'
import type { Artifact, Project, RetentionChange } from '../../metadata/metadata.ts'
import { DeletePage, requireWord } from '../artifact/delete-page.tsx'
import { type Field, HiddenFields } from '../parts/form.tsx'
import type { Html } from '../parts/html.ts'
import { daysOf, formatIds, parseIds, readForm } from '../input.ts'
import { filterFields, filterOf, type ListQuery, queryOf, readQuery } from './list-view.ts'
import { crumbsOf, inspectedProjectOfPage } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { listPath } from '../paths.ts'

/** Most ids that an address carries to offer "Restore all". After a larger deletion, the list of
 *  deleted artifacts is where they are restored. */
export const idsInAddressMax = 100

/** What the notice says about the artifacts that changed, and about those that did not. */
const noticeOf = {
  keep: ['Kept', 'skipped: already kept, or no longer live'],
  release: ['Stopped keeping', 'skipped: not kept, or no longer live'],
  extend: ['Changed the expiry of', 'skipped: same expiry already, or no longer live'],
  delete: ['Deleted', 'skipped: no longer live'],
  restore: ['Restored', 'not restored: too late, or the name is taken'],
} as const
type BulkAction = keyof typeof noticeOf

/** What happened; passed in the address of the list to which the action redirects. */
interface Outcome {
  action: BulkAction
  changed: number
  /** How many of the selected artifacts did not change. */
  missed: number
}

export function outcomeOfQuery(read: (name: string) => string): Outcome | undefined {
  const action = (Object.keys(noticeOf) as BulkAction[]).find((each) => each === read('done'))
  const [changed, missed] = [read('changed'), read('missed')]
  if (action === undefined || !/^\d{1,6}$/.test(changed) || !/^\d{1,6}$/.test(missed))
    return undefined
  return { action, changed: Number(changed), missed: Number(missed) }
}

/** Notice above the list after a bulk action. `restorable`: ids among those just deleted that
 *  can be restored. */
export function ChangedNotice({
  outcome: { action, changed, missed },
  restorable,
  project,
  query,
}: {
  outcome: Outcome
  restorable: number[]
  project: Project
  query: ListQuery
}): Html {
  const [done, not] = noticeOf[action]
  return (
    <div class="toast" role="status">
      <span>
        {done} {counted(changed, 'artifact')}.{missed > 0 && ` ${formatCount(missed)} ${not}.`}
      </span>
      {restorable.length > 0 && (
        <form method="post" action={listPath(project.name)}>
          <HiddenFields
            fields={[...filterFields(query), ...restorable.map((id): Field => ['id', String(id)])]}
          />
          <button name="action" value="restore">
            Restore all
          </button>
        </form>
      )}
    </div>
  )
}

/** Applies the posted bulk action. Artifacts that end meanwhile are skipped. Errors:
 *  invalid_request, forbidden. */
export async function changeMany(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const { metadata } = context
  const { principal, project } = await inspectedProjectOfPage(context, c)
  requireWriteProject(principal, project.name)
  const form = await readForm(context, c)
  const query = readQuery((name) => form.get(`filter.${name}`) ?? '')
  const action = form.get('action')
  const { artifacts, count } = await chosenArtifacts(context, project, { form, query, action })
  await context.checkpoint?.('chosen')
  const author = authorOf(context, principal, 'page')
  const now = author.at
  const back = (changed: Artifact[], done: BulkAction, there: Record<string, string> = {}) => {
    const figures = { changed: String(changed.length), missed: String(count - changed.length) }
    const address = listPath(project.name, { ...queryOf(query), ...there, done, ...figures })
    return c.redirect(address, 303)
  }
  const ids = artifacts.map(({ id }) => id)
  const withIds = (changed: number[]): Artifact[] => {
    const known = new Set(changed)
    return artifacts.filter(({ id }) => known.has(id))
  }
  const retain = async (change: RetentionChange): Promise<Artifact[]> =>
    withIds(await metadata.setRetentionOfMany(ids, change, context.now(), author))
  switch (action) {
    case 'keep':
    case 'release':
      return back(await retain({ pinned: action === 'keep' }), action)
    case 'extend': {
      const policy = await retentionOf(context, project.name)
      const from = context.clock.retentionFrom()
      const wantedAt = from + daysOf(form.get('days')) * dayMs
      const expiresAt = changedExpiresAt(wantedAt, policy, { now, from })
      return back(await retain({ expiresAt }), action)
    }
    case 'delete':
      return await confirmDeletion(web, c, { project, artifacts, query })
    case 'delete-confirmed': {
      requireWord(artifacts, form)
      await requireDelete(context, principal, artifacts)
      const gone = await removeArtifacts(context, artifacts, author)
      const deleted = gone.length > idsInAddressMax ? [] : gone.map(({ id }) => id)
      return back(gone, 'delete', { state: 'deleted', deleted: deleted.join(',') })
    }
    case 'restore':
      return back(withIds(await metadata.restoreArtifacts(ids, now, author)), action, { state: '' })
    default:
      throw invalidRequest('action', 'choose an action')
  }
}

/** Returns the selected artifacts, or all that match the filter, to which the action applies,
 *  and how many were selected. Errors: invalid_request if there are none, too_large. */
async function chosenArtifacts(
  context: AppContext,
  project: Project,
  { form, query, action }: { form: URLSearchParams; query: ListQuery; action: string | null },
): Promise<{ artifacts: Artifact[]; count: number }> {
  const ids = [
    ...form.getAll('id').map((id) => parsePositiveInteger(id, 'id')),
    ...form.getAll('ids').slice(0, 1).flatMap(parseIds),
  ]
  if (ids.length > limits.bulkDeleteMax) throw tooManyArtifacts()
  const isAll = form.get('all') === '1'
  const filter = isAll ? filterOf(project, query) : { projectId: project.id, ids }
  const now = context.now()
  const { undoMs } = context.config
  const restores = action === 'restore'
  const found = await collectArtifacts(context, restores ? { ...filter, state: 'deleted' } : filter)
  const artifacts = found.filter((each) =>
    restores ? isRestorable(each, { undoMs, now }) : isLive(each, now),
  )
  if (artifacts.length === 0) {
    const what = restores ? 'artifact that can be restored' : 'live artifact'
    throw invalidRequest('id', `select at least one ${what}`)
  }
  return { artifacts, count: isAll ? artifacts.length : new Set(ids).size }
}

async function confirmDeletion(
  web: Web,
  c: AppRequest,
  { project, artifacts, query }: { project: Project; artifacts: Artifact[]; query: ListQuery },
): Promise<Response> {
  const ids = artifacts.map(({ id }) => id)
  const { context } = web
  const view = {
    artifacts,
    action: listPath(project.name),
    back: listPath(project.name, queryOf(query)),
    deletion: await explainDeletion(context.metadata, ids, context.now()),
    undoMs: context.config.undoMs,
    fields: [
      ['action', 'delete-confirmed'] satisfies Field,
      ['ids', formatIds(ids)] satisfies Field,
      ...filterFields(query),
    ],
  }
  return await sendPage(web, c, {
    title: `Delete ${counted(artifacts.length, 'artifact')}`,
    crumbs: crumbsOf({ project: project.name }),
    body: <DeletePage {...view} />,
  })
}
