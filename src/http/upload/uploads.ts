/** `/uploads`: the negotiated upload (api/negotiation.ts). A session belongs to the sender of
 *  the offer: its id is not guessable, and every caller must be allowed to read its project.
 *  These are the routes; the work runs in the ingest threads. */
import type { Hono } from 'hono'
import type { Readable } from 'node:stream'
import { ordinalsMediaType } from '../../api/negotiation.ts'
import type { CommitAnswer, OfferAnswer } from '../../api/negotiation-messages.ts'
import { treeOfFiles } from '../../core/artifact.ts'
import { apiRoot } from '../../api/paths.ts'
import { manifestOfferQuery, timesOfferQuery } from '../../api/queries.ts'
import { asError, hasCode, invalidRequest, storeError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { NegotiationAnswers, NegotiationJob } from '../../ingest/negotiated/job.ts'
import { mayInspectProject, maySendTo } from '../../auth/principal.ts'
import type { Digest } from '../../core/bytes/digest.ts'
import type { KnownTree, Published } from '../../metadata/metadata.ts'
import { artifactMessage } from '../artifact/artifact-message.ts'
import { requirePrincipal } from '../access/authenticate.ts'
import { publicOrigin, type AppContext, type AppEnv, type AppRequest } from '../context.ts'
import { sendBytes } from '../body/gzip.ts'
import { digestField, parseQuery } from '../input.ts'
import { checkUpload, type Offered, outcomeOf, readOffer, requireAcceptable } from './offer.ts'
import { listLimit, openRequestBody, uploadLimit } from '../body/request-body.ts'
import { createTurns, type Turns } from './turns.ts'

export function addUploadRoutes(app: Hono<AppEnv>, context: AppContext): void {
  const routes = app.basePath(`${apiRoot}/uploads`)
  const offers = createTurns()
  const commits = createTurns()
  routes.post('/check', async (c) => {
    await checkUpload(context, c, await requirePrincipal(context, c))
    return c.body(null, 204)
  })
  routes.post('/', async (c) => {
    const principal = await requirePrincipal(context, c)
    const offered = await readOffer(context, c, principal)
    // Equal offers share one session, which the first of them ends when the tree is known.
    return await offers.take(offered.key, async () => await handleOffer(context, c, offered))
  })
  routes.post('/:id{[0-9a-f]{32}}/manifest', async (c) => {
    const session = await sessionOf(context, c)
    const { tree, entries: entryCount, base } = parseQuery(c, manifestOfferQuery)
    const treeDigest = digestField(tree, 'tree')
    const body = openRequestBody(context, c, uploadLimit(context.config))
    const encoding = c.req.header('content-encoding') === 'br' ? 'br' : 'gzip'
    const job = { ...session, treeDigest, encoding } as const
    const step =
      base === undefined
        ? ({ step: 'manifest', ...job, entryCount } as const)
        : ({ step: 'changes', ...job, base: digestField(base, 'base') } as const)
    return await sendOrdinals(c, await runStep(context, c, step, body))
  })
  routes.get('/:id{[0-9a-f]{32}}/missing', async (c) => {
    const session = await sessionOf(context, c)
    return await sendOrdinals(c, await runStep(context, c, { step: 'missing', ...session }))
  })
  routes.post('/:id{[0-9a-f]{32}}/times', async (c) => {
    const session = await sessionOf(context, c)
    const { entries: entryCount } = parseQuery(c, timesOfferQuery)
    const body = openRequestBody(context, c, listLimit)
    const job = { step: 'times', ...session, entryCount } as const
    await runStep(context, c, job, body)
    return c.body(null, 204)
  })
  routes.post('/:id{[0-9a-f]{32}}/parts', async (c) => {
    const session = await sessionOf(context, c)
    const body = openRequestBody(context, c, listLimit)
    return await sendOrdinals(c, await runStep(context, c, { step: 'parts', ...session }, body))
  })
  routes.post('/:id{[0-9a-f]{32}}/packs', async (c) => {
    const session = await sessionOf(context, c)
    const counting = context.arrivals.counting(session.sessionId, context)
    const body = openRequestBody(counting, c, uploadLimit(context.config))
    return c.json(await runStep(context, c, { step: 'blobs', ...session }, body))
  })
  routes.post('/:id{[0-9a-f]{32}}/commit', async (c) => await commit(context, c, commits))
  routes.delete('/:id{[0-9a-f]{32}}', async (c) => {
    const { sessionId } = await sessionOf(context, c)
    await context.metadata.abortSession(sessionId)
    context.arrivals.end(sessionId)
    return c.body(null, 204)
  })
}

/** Runs a step in the ingest threads. Without room for the upload, ends its session: the staged
 *  bytes would otherwise keep the disk full until the lease expires. */
async function runStep<Job extends NegotiationJob & { projectId: number }>(
  { ingest, metadata }: AppContext,
  c: AppRequest,
  job: Job,
  body?: Readable,
): Promise<NegotiationAnswers[Job['step']]> {
  try {
    return await ingest.negotiate(job, body, c.req.raw.signal)
  } catch (error) {
    if (hasCode(error, 'storage_full'))
      await metadata.abortSession(job.sessionId).catch((failure: unknown) => {
        c.get('log').warn('an upload without room cannot be ended', { error: asError(failure) })
      })
    throw error
  }
}

/** Step 1. Commits at once if the project has the tree and its times. */
async function handleOffer(
  context: AppContext,
  c: AppRequest,
  offered: Offered,
): Promise<Response> {
  const { metadata } = context
  const now = context.now()
  const { projectId, run, base, usesProject } = offered
  const { name, tree } = offered.artifact
  const find = async (treeDigest: Digest | null): Promise<KnownTree | undefined> =>
    treeDigest !== null && usesProject
      ? await metadata.findKnownTree(projectId, treeDigest, now)
      : undefined
  await requireAcceptable(context, offered)
  const known = await find(tree.treeDigest)
  const { sessionId } = await metadata.openOfferSession({
    projectId,
    offer: offered.key,
    now,
    leaseMs: limits.leaseMs,
  })
  const answer = (message: OfferAnswer): Response => c.json(message)
  // The announced size counts bytes before compression and deduplication, so it is not the total of
  // what will arrive.
  context.arrivals.begin(sessionId, { projectId, run, name, totalBytes: null })
  if (known === undefined) {
    const needs = (await find(base)) === undefined ? 'manifest' : 'changes'
    return answer({ state: 'open', id: sessionId, needs })
  }
  const published = await commitKnown(context, sessionId, { offered, known })
  if (published === undefined) return answer({ state: 'open', id: sessionId, needs: 'times' })
  await context.backgroundJobs.confirm()
  context.arrivals.end(sessionId)
  return answer({ state: 'done', ...publishedMessage(context, c, published) })
}

/** Commits a known tree whose times equal those of an artifact with that tree. Returns undefined
 *  when there is none. */
async function commitKnown(
  { metadata, now }: AppContext,
  sessionId: string,
  { offered, known }: { offered: Offered; known: KnownTree },
): Promise<Published | undefined> {
  const { tree, ...artifact } = offered.artifact
  const trees = known.artifacts.filter(({ kind }) => kind === 'tree')
  for (const { id, zipBytes, zipPages, tarGzBytes } of trees) {
    if ((await metadata.readTimesDigest(id)) !== offered.timesDigest) continue
    // Staging the manifest leases it in the same statement, so nothing of the tree can be deleted
    // before the commit.
    const { manifestId, exists } = await metadata.stageManifest(sessionId, tree)
    if (!exists) return undefined
    await metadata.stageTimesOf(sessionId, id)
    // Nothing leases that artifact. If its times are still complete now, so is the staged copy.
    if ((await metadata.readTimesDigest(id)) !== offered.timesDigest) continue
    return await metadata.commitArtifact(sessionId, {
      ...artifact,
      ...treeOfFiles,
      manifestId,
      zipBytes,
      zipPages,
      tarGzBytes,
      newBytes: 0,
      now: now(),
      uploadId: null,
    })
  }
  return undefined
}

/** Step 5. Errors: upload_incomplete, digest_mismatch, name_taken, forbidden, session_ended. */
async function commit(context: AppContext, c: AppRequest, commits: Turns): Promise<Response> {
  const principal = await requirePrincipal(context, c)
  const sessionId = c.req.param('id') ?? ''
  const offered = await readOffer(context, c, principal)
  // A session stages one manifest, so a concurrent second commit would interfere with the first.
  const published = await commits.take(
    sessionId,
    async () => await commitOnce(context, c, { sessionId, offered }),
  )
  await context.backgroundJobs.confirm()
  context.arrivals.end(sessionId)
  return c.json(publishedMessage(context, c, published), published.created ? 201 : 200)
}

/** A commit ends its session. A repeated commit, sent because the response was lost or late,
 *  returns the artifact that the first one made. */
async function commitOnce(
  context: AppContext,
  c: AppRequest,
  { sessionId, offered }: { sessionId: string; offered: Offered },
): Promise<Published> {
  const { projectId, key, artifact, usesProject } = offered
  try {
    const session = await context.metadata.findSession(sessionId)
    if (session === undefined) throw ended(sessionId)
    if (session.projectId !== projectId || session.offer !== key) {
      const reason = 'offer differs from the one that began this upload'
      throw invalidRequest('offer', reason)
    }
    const how = { step: 'commit', sessionId, projectId, sentOnly: !usesProject } as const
    return await runStep(context, c, { ...how, ...artifact })
  } catch (error) {
    const made = hasCode(error, 'session_ended') ? await outcomeOf(context, offered) : undefined
    if (made === undefined) throw error
    return { artifact: made, created: false }
  }
}

function publishedMessage(
  context: AppContext,
  c: AppRequest,
  { artifact, created }: Published,
): CommitAnswer {
  const origin = publicOrigin(context, c)
  return { created, artifact: artifactMessage(artifact, { origin, now: context.now() }) }
}

/** Returns the session of the route if the caller may use it. Errors: session_ended. */
async function sessionOf(
  context: AppContext,
  c: AppRequest,
): Promise<{ sessionId: string; projectId: number; sentOnly: boolean }> {
  const principal = await requirePrincipal(context, c)
  const sessionId = c.req.param('id') ?? ''
  const session = await context.metadata.findSession(sessionId)
  if (session === undefined || session.offer === null) throw ended(sessionId)
  const { projectId, project } = session
  if (!maySendTo(principal, project)) throw ended(sessionId)
  return { sessionId, projectId, sentOnly: !mayInspectProject(principal, project) }
}

function ended(sessionId: string): Error {
  return storeError('session_ended', `upload ${sessionId} has ended: offer it again`, { sessionId })
}

async function sendOrdinals(c: AppRequest, ordinals: Uint8Array): Promise<Response> {
  const headers = { 'content-type': ordinalsMediaType, 'cache-control': 'no-store' }
  return await sendBytes(c, ordinals, { headers, level: 1 })
}
