/** What a delta download asks: the whole tree in its compact form, the parts of large files, and many stored streams in one
 *  answer (api/negotiation.ts). */
import { Hono } from 'hono'
import { constants, createGzip } from 'node:zlib'
import { pipeline, Readable } from 'node:stream'
import { manifestMediaType, partsMediaType } from '../api/negotiation.ts'
import { decodeWants, listBytesMax, type Want } from '../core/blob-exchange.ts'
import { apiRoot } from '../api/paths.ts'
import { artifactFetchQuery } from '../api/queries.ts'
import { limits } from '../core/limits.ts'
import { manifestHeader } from '../core/manifest.ts'
import { createByteWriter } from '../core/varint.ts'
import { listParts, representBlobs } from '../egress/blob-list.ts'
import { storeError } from '../core/errors.ts'
import type { Artifact } from '../metadata/metadata.ts'
import { assertLive } from '../browse/find-artifact.ts'
import { liveArtifact, readReference } from './access.ts'
import { requirePrincipal } from './authenticate.ts'
import { sendRepresentation } from './body.ts'
import type { AppContext, AppEnv, AppRequest } from './context.ts'
import { acceptsGzip } from './files.ts'
import { parseQuery } from './input.ts'
import { underReadLease } from './reading.ts'
import { readBytesBody } from './request-body.ts'

export function createBlobFetchRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get(`${apiRoot}/artifacts/:id{[0-9]+}/tree`, async (c) => {
    const { artifact } = await liveArtifact(context, c)
    return treeResponse(context, c, artifact)
  })
  app.post(`${apiRoot}/blobs/parts`, async (c) => {
    const artifact = await namedArtifact(context, c)
    const parts = await listParts(context.metadata, artifact.id, await readWants(context, c))
    return c.body(Uint8Array.from(parts), 200, {
      'content-type': partsMediaType,
      'cache-control': 'no-store',
    })
  })
  app.post(`${apiRoot}/blobs/fetch`, async (c) => {
    const artifact = await namedArtifact(context, c)
    const wants = await readWants(context, c)
    const options = {
      mode: 'stock-raw',
      disposition: 'attachment',
      cacheControl: 'no-store',
      cut: context.graceOver,
      idleMs: context.config.idleMs,
    } as const
    return await underReadLease(
      context,
      [artifact],
      async () =>
        await sendRepresentation(c, await representBlobs(context, artifact.id, wants), options),
    )
  })
  return app
}

async function namedArtifact(context: AppContext, c: AppRequest): Promise<Artifact> {
  const principal = await requirePrincipal(context, c)
  const { artifact: id } = parseQuery(c, artifactFetchQuery)
  const artifact = await readReference(context, principal, { kind: 'id', id }, null)
  assertLive(artifact, context.now())
  return artifact
}

/** Errors: invalid_request, too_large. */
async function readWants(context: AppContext, c: AppRequest): Promise<Want[]> {
  const limit = { bytesMax: listBytesMax, limit: 'bytes of one list', setting: null }
  const bytes = await readBytesBody(context, c, limit)
  try {
    return decodeWants(bytes)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw storeError(
      'invalid_request',
      `the wants are malformed: ${error.message}`,
      { field: 'body' },
      { cause: error },
    )
  }
}

function treeResponse(context: AppContext, c: AppRequest, artifact: Artifact): Response {
  const pages = Readable.from(treePages(context, artifact), {
    objectMode: false,
    highWaterMark: limits.readWindowBytes,
  })
  const headers: Record<string, string> = {
    'content-type': manifestMediaType,
    'cache-control': 'private, no-cache',
    etag: `"tree-${artifact.id}"`,
  }
  if (!acceptsGzip(c.req.header('accept-encoding'))) return send(c, pages, headers)
  const gzip = createGzip({ level: constants.Z_BEST_SPEED, chunkSize: 128 * 1024 })
  // A failure destroys `gzip`, and `send` cuts the connection.
  pipeline(pages, gzip, () => {})
  return send(c, gzip, { ...headers, 'content-encoding': 'gzip' })
}

/** Streams a body of unknown length. It ends in a record of its own, so a cut is seen by whoever reads it. */
function send(c: AppRequest, source: Readable, headers: Record<string, string>): Response {
  source.once('error', () => c.env.outgoing?.destroy())
  return c.body(Readable.toWeb(source) as ReadableStream, 200, headers)
}

/** Each page: canonical lines, then times, as sized records; an empty record ends the tree. */
async function* treePages({ metadata }: AppContext, artifact: Artifact): AsyncGenerator<Buffer> {
  yield Buffer.from(manifestHeader)
  let ahead = metadata.readTreePage(artifact.id, 0)
  for (let number = 1; ; number++) {
    const page = await ahead
    if (page === undefined) break
    // The next one is looked up while this one is on its way.
    ahead = metadata.readTreePage(artifact.id, number)
    ahead.catch(() => {})
    const { lines, times } = page
    const out = createByteWriter(lines.length + (times?.length ?? 0) + 16)
    out.sized(lines)
    out.sized(times ?? Buffer.alloc(0))
    yield out.bytes()
  }
  yield Buffer.from([0])
}
