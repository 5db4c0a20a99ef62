/** Deleting one artifact, many, or a whole run, and undoing it. Every response states the disk
 *  space that is freed. */
import { artifactNotFound } from '../../core/errors.ts'
import type { Hono } from 'hono'
import { bulkDeletionRequestSchema, type WireBulkDeletion } from '../../api/messages.ts'
import { apiRoot } from '../../api/paths.ts'
import { deletionQuery, noFields, runDeletionQuery } from '../../api/queries.ts'
import { mayDelete, mayReadRun, type Principal } from '../../auth/principal.ts'
import { assertLive } from '../../browse/find-artifact.ts'
import { heldAsKept } from '../../core/artifact.ts'
import { explainDeletion } from '../../lifecycle/collect/deletion.ts'
import type { Artifact, Author } from '../../metadata/metadata.ts'
import {
  liveArtifact,
  readProjectOf,
  readableArtifact,
  requireWriteProject,
  readableRun,
} from '../access/access.ts'
import { artifactMessage } from './artifact-message.ts'
import { instant } from '../instant.ts'
import { authorOf } from '../access/actor.ts'
import { requirePrincipal } from '../access/authenticate.ts'
import { publicOrigin, type AppContext, type AppEnv, type AppRequest } from '../context.ts'
import { parseBody, parseQuery } from '../input.ts'
import { isStrictFor, requireDelete, requireDeleteRun } from '../access/strict.ts'
import { collectArtifacts } from './walk-artifacts.ts'

export function addDeletionRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.delete(`${apiRoot}/artifacts/:id{[0-9]+}`, async (c) => await deleteArtifact(context, c))
  app.post(`${apiRoot}/artifacts/:id{[0-9]+}/undelete`, async (c) => await undelete(context, c))
  app.post(`${apiRoot}/artifacts/bulk-delete`, async (c) => await bulkDelete(context, c))
  app.delete(`${apiRoot}/runs/:run{[0-9]+}`, async (c) => await deleteRun(context, c))
}

/** Turns live artifacts into tombstones as of `author.at`; they can be restored for a while.
 *  Returns those that this call removed, without those that a concurrent call removed first. */
export async function removeArtifacts(
  { space, metadata, config: { undoMs } }: AppContext,
  artifacts: Artifact[],
  author: Author,
): Promise<Artifact[]> {
  await space.makeRoom()
  const ids = artifacts.map(({ id }) => id)
  const removal = { state: 'deleted', reason: 'deleted', now: author.at, undoMs } as const
  const removed = new Set(await metadata.removeArtifacts(ids, removal, author))
  return artifacts.filter(({ id }) => removed.has(id))
}

async function deleteArtifact(context: AppContext, c: AppRequest): Promise<Response> {
  const { principal, artifact } = await liveArtifact(context, c)
  await requireDelete(context, principal, [artifact])
  const { dryRun } = parseQuery(c, deletionQuery)
  const frees = await explainDeletion(context.metadata, [artifact.id], context.now())
  if (dryRun) {
    const { id, state } = artifact
    return c.json({ id, state, deletedAt: null, undoUntil: null, ...frees, dryRun })
  }
  const author = authorOf(context, principal, 'api')
  const now = author.at
  if ((await removeArtifacts(context, [artifact], author)).length === 0) {
    // A concurrent request was first: report how the artifact ended.
    const { artifact: ended } = await readableArtifact(context, c)
    assertLive(ended, now)
    throw new Error(`artifact ${artifact.id} is live but could not be removed`)
  }
  return c.json({
    id: artifact.id,
    state: 'deleted',
    deletedAt: instant(now),
    undoUntil: instant(now + context.config.undoMs),
    ...frees,
    dryRun,
  })
}

async function undelete(context: AppContext, c: AppRequest): Promise<Response> {
  const { principal, artifact } = await readableArtifact(context, c)
  requireWriteProject(principal, artifact.project)
  await parseBody(context, c, noFields)
  const author = authorOf(context, principal, 'api')
  await context.metadata.restoreArtifact(artifact.id, author.at, author)
  const restored = await context.metadata.findArtifact(artifact.id)
  const origin = publicOrigin(context, c)
  return c.json(artifactMessage(restored ?? artifact, { origin, now: context.now() }))
}

async function bulkDelete(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requirePrincipal(context, c)
  const body = await parseBody(context, c, bulkDeletionRequestSchema)
  const artifacts =
    body.ids === undefined
      ? await artifactsOfFilter(context, principal, body.filter ?? {})
      : await artifactsOfIds(context, principal, body.ids)
  await requireDelete(context, principal, artifacts)
  return c.json(await deleteAll(context, principal, { artifacts, dryRun: body.dryRun }))
}

async function deleteRun(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requirePrincipal(context, c)
  const { project: named, dryRun, includeKept } = parseQuery(c, runDeletionQuery)
  const { projectId, project, number } = await readableRun(context, c, principal, {
    project: named,
  })
  await requireDeleteRun(context, principal, { project, runNumber: number })
  const artifacts = await collectArtifacts(context, { projectId, run: number })
  // Before the advice to include kept artifacts, which a job cannot follow.
  await requireDelete(context, principal, artifacts)
  const kept = artifacts.find(({ pinned }) => pinned)
  if (kept !== undefined && !includeKept)
    throw heldAsKept(kept, '`includeKept` (`trove rm --include-kept`)')
  const deletion = await deleteAll(context, principal, { artifacts, dryRun })
  if (!dryRun)
    await context.metadata.removeRunRecords(projectId, number, authorOf(context, principal, 'api'))
  return c.json(deletion)
}

/** For artifacts that the caller may delete. */
async function deleteAll(
  context: AppContext,
  principal: Principal,
  { artifacts, dryRun }: { artifacts: Artifact[]; dryRun: boolean },
): Promise<WireBulkDeletion> {
  const ids = artifacts.map((artifact) => artifact.id)
  const frees = await explainDeletion(context.metadata, ids, context.now())
  const author = authorOf(context, principal, 'api')
  const now = author.at
  const gone = dryRun ? artifacts : await removeArtifacts(context, artifacts, author)
  return {
    items: gone.map(({ id, name, runNumber: run, attempt, logicalBytes }) => ({
      id,
      name,
      run,
      attempt,
      logicalBytes,
    })),
    ...frees,
    undoUntil: dryRun ? null : instant(now + context.config.undoMs),
    dryRun,
  }
}

/** Errors: artifact_not_found for an artifact that does not exist, is not live, or may not be
 *  read. */
async function artifactsOfIds(
  context: AppContext,
  principal: Principal,
  ids: number[],
): Promise<Artifact[]> {
  const found = await collectArtifacts(context, { ids })
  const readable = new Map(
    found.filter((each) => mayReadRun(principal, each)).map((each) => [each.id, each]),
  )
  const missing = ids.find((id) => !readable.has(id))
  if (missing !== undefined) throw artifactNotFound(`id:${missing}`)
  return [...readable.values()]
}

type Filter = NonNullable<ReturnType<typeof bulkDeletionRequestSchema.parse>['filter']>

/** Returns the artifacts that match the filter, that the caller may delete, and that nobody keeps:
 *  whoever deletes by age or branch did not look at each. By age, nor those kept as the latest:
 *  that is for what would have expired. */
async function artifactsOfFilter(
  context: AppContext,
  principal: Principal,
  { project: named, createdBefore: before, ...narrowing }: Filter,
): Promise<Artifact[]> {
  const { id: projectId } = await readProjectOf(context, principal, named)
  const byAge = before !== undefined && { createdBefore: Date.parse(before), keptLatest: false }
  const filter = { projectId, ...narrowing, ...byAge, pinned: false }
  const artifacts = await collectArtifacts(context, filter)
  const strict = await isStrictFor(context, principal)
  return artifacts.filter((artifact) => mayDelete(principal, artifact, strict))
}
