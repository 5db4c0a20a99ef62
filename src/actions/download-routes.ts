/** Signed downloads of stock clients and REST API clients. The URL is the credential; the
 *  client's abilities decide between a raw file and a zip (GITHUB-PROTOCOL §10, §11). */
import type { Hono } from 'hono'
import { representRaw, representWrappedZip, representZip } from '../egress/egress.ts'
import type { Representation } from '../egress/representation.ts'
import type { SendMode } from '../http/body/send-representation.ts'
import type { AppContext, AppEnv } from '../http/context.ts'
import { sendUnderLease } from '../http/body/reading.ts'
import { signatureOf, signedArtifact } from '../http/access/signed-access.ts'
import type { Artifact } from '../metadata/metadata.ts'
import { clientKindOf, needsZip, type ClientKind } from './user-agent.ts'

export function addDownloadRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.on(['GET', 'HEAD'], '/artifacts/download/:id/:file', async (c) => {
    const target = { route: 'artifact', id: c.req.param('id') } as const
    const artifact = await signedArtifact(context, c, target, signatureOf(c))
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
