/** Signed downloads of stock clients and REST API clients. The URL is the credential; the
 *  client's abilities decide between a raw file and a zip (GITHUB-PROTOCOL §10, §11). */
import type { Hono } from 'hono'
import { verifyReading } from '../auth/signed-urls.ts'
import { assertLive, readArtifact } from '../browse/find-artifact.ts'
import { parsePositiveInteger } from '../core/run/run.ts'
import { representRaw, representWrappedZip, representZip } from '../egress/egress.ts'
import type { Representation } from '../egress/representation.ts'
import type { SendMode } from '../http/body/send-representation.ts'
import { outgoingOf, type AppContext, type AppEnv, type AppRequest } from '../http/context.ts'
import { sendUnderLease } from '../http/body/reading.ts'
import { seenByAll } from '../http/access/seen-by.ts'
import type { Artifact } from '../metadata/metadata.ts'
import { clientKindOf, needsZip, type ClientKind } from './user-agent.ts'

export function addDownloadRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.on(['GET', 'HEAD'], '/artifacts/download/:id/:file', async (c) => {
    const artifact = await readSigned(context, c)
    const client = clientKindOf(c.req.header('user-agent'))
    return await sendUnderLease(context, c, {
      artifacts: [artifact],
      represent: () => represent(context, artifact, client),
      mode: modeFor(artifact, client),
      disposition: 'attachment',
      cacheControl: 'no-store',
    })
  })
}

/** Errors: signed_url_invalid, artifact_not_found, artifact_expired, artifact_deleted, busy (too
 *  many visitors). */
async function readSigned(context: AppContext, c: AppRequest): Promise<Artifact> {
  const id = c.req.param('id') ?? ''
  const signature = { se: c.req.query('se'), sig: c.req.query('sig') }
  const target = { route: 'artifact', id } as const
  const access = verifyReading(context.keys.signedUrls, target, signature, context.now())
  if (access === 'visit') context.visitors.admit(outgoingOf(c))
  const reference = { kind: 'id', id: parsePositiveInteger(id, 'id') } as const
  const now = context.now()
  const artifact = await readArtifact(context.metadata, reference, { project: null, now })
  assertLive(seenByAll(artifact), now)
  return artifact
}

async function represent(
  context: AppContext,
  artifact: Artifact,
  client: ClientKind,
): Promise<Representation> {
  if (artifact.kind !== 'raw') return await representZip(context, artifact)
  return needsZip(client)
    ? await representWrappedZip(context, artifact)
    : await representRaw(context, artifact)
}

/** How a body that fails part-way must end, so that the client notices (GITHUB-PROTOCOL §11.3). */
function modeFor(artifact: Artifact, client: ClientKind): SendMode {
  if (client === 'stock-zip-only') return 'stock-zip'
  if (client === 'stock') return artifact.kind === 'raw' ? 'whole' : 'stock-zip'
  return 'ranged'
}
