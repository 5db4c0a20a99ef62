/** Requests of a delta download once it has the tree: the parts of large files, and many stored
 *  streams in one response (api/negotiation.ts). */
import type { Hono } from 'hono'
import { partsMediaType } from '../../api/negotiation.ts'
import { checkWants } from '../../core/bytes/blob-exchange.ts'
import { blobFetchPath, blobPartsPath } from '../../api/paths.ts'
import { artifactFetchQuery } from '../../api/queries.ts'
import { representBlobs } from '../../egress/blob-list.ts'
import { listParts } from '../../egress/part-list.ts'
import { invalidRequest } from '../../core/errors.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { readLive } from '../access/access.ts'
import { requireReader } from '../access/authenticate.ts'
import type { AppContext, AppEnv, AppRequest } from '../context.ts'
import { parseQuery } from '../input.ts'
import { sendUnderLease } from '../body/reading.ts'
import { listLimit, readBytesBody } from '../body/request-body.ts'

export function addBlobFetchRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.post(blobPartsPath, async (c) => {
    const artifact = await namedArtifact(context, c)
    const parts = await listParts(context.metadata, artifact.id, await readWants(context, c))
    return c.body(Uint8Array.from(parts), 200, {
      'content-type': partsMediaType,
      'cache-control': 'no-store',
    })
  })
  app.post(blobFetchPath, async (c) => {
    const artifact = await namedArtifact(context, c)
    const wants = await readWants(context, c)
    return await sendUnderLease(context, c, {
      artifacts: [artifact],
      represent: async () => representBlobs(context, artifact, wants),
      mode: 'whole',
      disposition: 'attachment',
      cacheControl: 'no-store',
    })
  })
}

async function namedArtifact(context: AppContext, c: AppRequest): Promise<Artifact> {
  const principal = await requireReader(context, c)
  const { artifact: id } = parseQuery(c, artifactFetchQuery)
  return await readLive(context, principal, { kind: 'id', id }, null)
}

/** Returns the encoded list. Errors: invalid_request, too_large. */
async function readWants(context: AppContext, c: AppRequest): Promise<Uint8Array> {
  const bytes = await readBytesBody(context, c, listLimit)
  try {
    await checkWants(bytes)
    return bytes
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw invalidRequest('body', `the wants are malformed: ${error.message}`, { cause: error })
  }
}
