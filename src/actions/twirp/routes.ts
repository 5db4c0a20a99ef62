/** Twirp at the root of the origin (GITHUB-PROTOCOL §1.1), JSON only. Every response is JSON,
 *  errors included: clients take anything else for a transient fault and try five times (§1.5). */
import type { Hono } from 'hono'
import { formatWireDigest } from '../../core/bytes/digest.ts'
import { limits } from '../../core/limits.ts'
import { mapInTurns } from '../../core/turn.ts'
import { requireBearer } from '../../http/access/authenticate.ts'
import { signDownload } from '../../http/artifact/sign-download.ts'
import { publicOrigin, type AppContext, type AppEnv } from '../../http/context.ts'
import { sendProcessing } from '../../http/body/processing.ts'
import { readJsonBody } from '../../http/body/request-body.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { deleteArtifact, listRunArtifacts, readNamedArtifact } from './artifact-service.ts'
import { createArtifact } from './create-artifact.ts'
import { createFinalizeQueue } from './finalize-artifact.ts'
import {
  parseCreateRequest,
  parseFinalizeRequest,
  parseListRequest,
  parseNameRequest,
} from './messages.ts'
import { findStockForm, formatHandle } from '../stock-view.ts'
import { twirpBadRoute } from './error.ts'
import { clientKindOf, type ClientKind } from '../user-agent.ts'

/** Items of a list that are made in one turn of the event loop: about a millisecond. */
const itemsPerTurn = 500

const service = '/twirp/github.actions.results.api.v1.ArtifactService'

export function addTwirpRoutes(app: Hono<AppEnv>, context: AppContext): void {
  const queue = createFinalizeQueue(context)

  app.post(`${service}/CreateArtifact`, async (c) => {
    const principal = await requireBearer(context, c)
    const request = parseCreateRequest(await readJsonBody(context, c))
    const path = await createArtifact(context, queue, principal, request)
    return jsonResponse({ ok: true, signed_upload_url: publicOrigin(context, c) + path })
  })

  app.post(`${service}/FinalizeArtifact`, async (c) => {
    const principal = await requireBearer(context, c)
    const request = parseFinalizeRequest(await readJsonBody(context, c))
    const stopSending = sendProcessing(c, limits.processingMs)
    try {
      const id = await queue.finalize(principal, request)
      return jsonResponse({ ok: true, artifact_id: String(id) })
    } finally {
      stopSending()
    }
  })

  app.post(`${service}/ListArtifacts`, async (c) => {
    const principal = await requireBearer(context, c)
    const request = parseListRequest(await readJsonBody(context, c))
    const client = clientKindOf(c.req.header('user-agent'))
    const found = await listRunArtifacts(context, principal, request)
    await context.checkpoint?.('listed')
    const items = await mapInTurns(found, itemsPerTurn, (each) => listItem(context, each, client))
    return jsonResponse({ artifacts: items.filter((item) => item !== undefined) })
  })

  app.post(`${service}/GetSignedArtifactURL`, async (c) => {
    const principal = await requireBearer(context, c)
    const request = parseNameRequest(await readJsonBody(context, c))
    const artifact = await readNamedArtifact(context, principal, request)
    const signed = signDownload(context, principal, artifact)
    return jsonResponse({ signed_url: publicOrigin(context, c) + signed.address })
  })

  app.post(`${service}/DeleteArtifact`, async (c) => {
    const principal = await requireBearer(context, c)
    const request = parseNameRequest(await readJsonBody(context, c))
    const artifact = await readNamedArtifact(context, principal, request)
    await deleteArtifact(context, principal, artifact)
    return jsonResponse({ ok: true, artifact_id: String(artifact.id) })
  })

  app.all('/twirp/*', (c) => twirpBadRoute(c.req.path))
}

/** Undefined if the artifact has ended meanwhile. */
async function listItem(
  context: AppContext,
  artifact: Artifact,
  client: ClientKind,
): Promise<object | undefined> {
  const form = await findStockForm(context.metadata, artifact, client)
  if (form === undefined) return undefined
  const { sizeBytes, digest } = form
  return {
    workflow_run_backend_id: String(artifact.runNumber),
    workflow_job_run_backend_id: formatHandle(artifact.id),
    database_id: String(artifact.id),
    name: artifact.name,
    size: String(sizeBytes),
    created_at: new Date(artifact.createdAt).toISOString(),
    ...(digest !== null && { digest: formatWireDigest(digest) }),
  }
}

/** Not cached, since responses hold credentials. */
function jsonResponse(body: object): Response {
  return Response.json(body, { headers: { 'cache-control': 'no-store' } })
}
