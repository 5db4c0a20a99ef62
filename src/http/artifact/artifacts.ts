/** Artifacts: listing, detail, pinning and changing the expiry. */
import type { Hono } from 'hono'
import * as z from 'zod'
import {
  retentionChangeSchema,
  type WireArtifactDetail,
  type WireRetainedArtifact,
} from '../../api/messages.ts'
import { apiRoot } from '../../api/paths.ts'
import { artifactListQuery, artifactQuery } from '../../api/queries.ts'
import { mayReadProject, type Principal } from '../../auth/principal.ts'
import { previousOf } from '../../browse/previous.ts'
import { keepingReason } from '../../core/policy/explanation.ts'
import { damagedPaths } from '../../egress/damage.ts'
import { changedExpiresAt, effectiveState } from '../../core/policy/retention.ts'
import { explainDeletion } from '../../lifecycle/collect/deletion.ts'
import type { Artifact, ArtifactFilter } from '../../metadata/metadata.ts'
import {
  liveArtifact,
  namedProject,
  projectIdsOf,
  readPowers,
  requireOfProject,
  requireWriteProject,
} from '../access/access.ts'
import { artifactMessage } from './artifact-message.ts'
import { instant } from '../instant.ts'
import { authorOf } from '../access/actor.ts'
import { requireReader } from '../access/authenticate.ts'
import { seenBy } from '../access/seen-by.ts'
import { retentionOf } from './retention.ts'
import { publicOrigin, type AppContext, type AppEnv, type AppRequest } from '../context.ts'
import { sendJson } from '../body/gzip.ts'
import { cutPage, linkNext, parseBody, parseCursor, parseQuery, position } from '../input.ts'

export function addArtifactRoutes(app: Hono<AppEnv>, context: AppContext): void {
  const routes = app.basePath(`${apiRoot}/artifacts`)
  routes.get('/', async (c) => await listArtifacts(context, c))
  routes.get('/:id{[0-9]+}', async (c) => {
    const { artifact } = await liveArtifact(context, c)
    const { brief } = parseQuery(c, artifactQuery)
    if (!brief) return c.json(await artifactDetail(context, c, artifact))
    const origin = publicOrigin(context, c)
    return c.json(artifactMessage(artifact, { origin, now: context.now() }))
  })
  routes.patch('/:id{[0-9]+}', async (c) => await changeRetention(context, c))
}

/** The wire form of one artifact, with the fields that only its detail has. */
async function artifactDetail(
  context: AppContext,
  c: AppRequest,
  artifact: Artifact,
): Promise<WireArtifactDetail> {
  const now = context.now()
  const isDamaged = effectiveState(artifact, now) === 'damaged'
  const damagedFiles = isDamaged ? await damagedPaths(context, artifact) : []
  const deletion = await explainDeletion(context.metadata, [artifact.id], now)
  const { defaultMs, maxMs } = await retentionOf(context, artifact.project)
  const principal = c.get('principal')
  const isOpen = principal !== undefined && mayReadProject(principal, artifact.project)
  return {
    ...artifactMessage(artifact, { origin: publicOrigin(context, c), now }),
    exclusiveBytes: deletion.freedBytes,
    sharedBytes: deletion.sharedBytes,
    keptReason: keepingReason(artifact, defaultMs),
    expiresInSecondsMax: Math.floor(maxMs / 1000),
    damagedFiles,
    ...(isOpen && (await relatedFields(context, artifact, now))),
  }
}

/** The fields about other artifacts, for callers that may read the whole project. */
async function relatedFields(
  { metadata }: AppContext,
  artifact: Artifact,
  now: number,
): Promise<Pick<WireArtifactDetail, 'sameTree' | 'previous'>> {
  const { id, manifestId } = artifact
  const sameTree = await metadata.countArtifacts({ manifestId, exceptId: id }, now)
  const before = await previousOf(metadata, artifact, now)
  const previous = before && {
    id: before.id,
    run: before.runNumber,
    attempt: before.attempt,
    createdAt: instant(before.createdAt),
    logicalBytes: before.logicalBytes,
  }
  return { sameTree, previous: previous ?? null }
}

async function listArtifacts(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requireReader(context, c)
  const query = parseQuery(c, artifactListQuery)
  const readable = await filterFor(context, principal, query)
  if (readable === null) return c.json({ items: [], nextCursor: null, total: 0 })
  const { state, latestOf } = query
  const filter: ArtifactFilter = {
    ...readable,
    state,
    ...(latestOf !== undefined && { latestOf }),
  }
  const origin = publicOrigin(context, c)
  const now = context.now()
  const { offset, total, beforeId } = placeOf(query.cursor)
  // When sorted newest first, a page continues by id: it does not scan earlier artifacts again, and
  // concurrent deletions make it skip none.
  const isById = query.sort === 'newest' && beforeId !== undefined
  const page = { limit: query.limit + 1, offset: isById ? 0 : offset, sort: query.sort, now }
  const wanted = isById ? { ...filter, beforeId } : filter
  const found = await context.metadata.findArtifacts(wanted, page)
  const { items, last } = cutPage(found, query.limit)
  const end = offset + items.length
  const isCounted = last === undefined && offset === 0
  const all = total ?? (isCounted ? end : await context.metadata.countArtifacts(filter, now))
  const nextCursor = linkNext(context, c, last === undefined ? null : [end, all, last.id])
  return await sendJson(c, {
    items: items.map((each) => artifactMessage(seenBy(principal, each), { origin, now })),
    nextCursor,
    total: all,
  })
}

/** Decodes where a page begins. The first page counts all artifacts and puts the total into its
 *  cursor, since a count per page would scan all of them each time. */
function placeOf(cursor: string | undefined): {
  offset: number
  total?: number
  beforeId?: number
} {
  if (cursor === undefined) return { offset: 0 }
  const [offset, total, beforeId] = parseCursor(cursor, z.tuple([position, position, position]))
  return { offset, total, beforeId }
}

/** Returns the filter of a query, restricted to artifacts that the caller may read, or with
 *  `secrets`, inspect; null when that leaves none. Errors: those of `projectIdsOf`,
 *  invalid_name, forbidden. */
export async function filterFor(
  context: AppContext,
  principal: Principal,
  query: Pick<
    z.infer<typeof artifactListQuery>,
    'project' | 'run' | 'name' | 'branch' | 'workflow' | 'pullRequest' | 'actor' | 'since'
  > & { secrets?: boolean },
): Promise<ArtifactFilter | null> {
  const { run, name, branch, workflow, pullRequest, actor, since, secrets } = query
  const project = namedProject(principal, query.project)
  const to = secrets === true ? 'inspect' : 'read'
  const projectIds = await projectIdsOf(context, principal, { project, to })
  const [projectId] = projectIds ?? []
  const filter: ArtifactFilter = {
    ...(projectIds?.length === 1 ? { projectId: projectId! } : projectIds && { projectIds }),
    run,
    name,
    branch,
    workflow,
    pullRequest,
    actor,
    createdSince: since === undefined ? undefined : Date.parse(since),
    ...(secrets === true && { secrets }),
  }
  if (project === null || readPowers[to].one(principal, project)) return filter
  requireOfProject(principal, project)
  if (principal.run === null) return null
  // A token of scope `run` reads its own run; a query for another finds nothing.
  const { number } = principal.run
  return run === undefined || run === number ? { ...filter, run: number } : null
}

/** The requested expiry; undefined when the change has none. No seconds means at once, even by a
 *  clock that is behind. */
function requestedExpiry(
  { expiresAt, expiresInSeconds }: z.infer<typeof retentionChangeSchema>,
  { now, from }: { now: number; from: number },
): number | undefined {
  if (expiresInSeconds === 0) return now
  if (expiresInSeconds !== undefined) return from + expiresInSeconds * 1000
  return expiresAt === undefined ? undefined : Date.parse(expiresAt)
}

async function changeRetention(context: AppContext, c: AppRequest): Promise<Response> {
  const { principal, artifact } = await liveArtifact(context, c)
  requireWriteProject(principal, artifact.project)
  const change = await parseBody(context, c, retentionChangeSchema)
  const retention = await retentionOf(context, artifact.project)
  const now = context.now()
  const { pinned } = change
  const times = { now, from: context.clock.retentionFrom() }
  const wantedAt = requestedExpiry(change, times)
  const ending = {
    ...(pinned !== undefined && { pinned }),
    ...(wantedAt !== undefined && { expiresAt: changedExpiresAt(wantedAt, retention, times) }),
  }
  let changed: Artifact | undefined = { ...artifact, ...ending }
  if (!change.dryRun) {
    await context.metadata.setRetention(artifact.id, ending, authorOf(context, principal, 'api'))
    changed = await context.metadata.findArtifact(artifact.id)
  }
  // Not the detail: it counts what only this artifact holds, a second for 50,000 files.
  const answer: WireRetainedArtifact = {
    ...artifactMessage(changed ?? artifact, { origin: publicOrigin(context, c), now }),
    expiresInSecondsMax: Math.floor(retention.maxMs / 1000),
  }
  return c.json(answer)
}
