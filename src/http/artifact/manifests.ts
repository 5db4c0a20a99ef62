/** Manifests: all entries as NDJSON, pages of entries, and the children of one directory. */
import type { Hono } from 'hono'
import * as z from 'zod'
import { entriesHeader } from '../../api/completeness.ts'
import type { WireEntry } from '../../api/messages.ts'
import { apiRoot } from '../../api/paths.ts'
import { directoryQuery, manifestQuery } from '../../api/queries.ts'
import {
  countSubtree,
  findSubtree,
  type ListedEntry,
  type Subtree,
  walkEntries,
  walkSubtree,
  noSuchPath,
} from '../../browse/entries.ts'
import { digestOf, formatWireDigest } from '../../core/bytes/digest.ts'
import { withoutEndSlashes } from '../../core/manifest/entry.ts'
import { invalidRequest } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { liveArtifact } from '../access/access.ts'
import { entryMessage } from './artifact-message.ts'
import { isUnmodified } from '../body/send-representation.ts'
import type { AppContext, AppEnv, AppRequest } from '../context.ts'
import { acceptsGzip, sendJson } from '../body/gzip.ts'
import { linesOf, ndjsonType, sendPieces } from '../body/lines.ts'
import { linkNext, parseCursor, parseOffsetCursor, parseQuery } from '../input.ts'

export function addManifestRoutes(app: Hono<AppEnv>, context: AppContext): void {
  const routes = app.basePath(`${apiRoot}/artifacts/:id{[0-9]+}`)
  routes.get('/manifest', async (c) => {
    const { artifact } = await liveArtifact(context, c)
    const query = parseQuery(c, manifestQuery)
    const isPaged = query.limit !== undefined || query.cursor !== undefined
    if (isPaged && query.under !== undefined) {
      throw invalidRequest('under', 'under works with NDJSON only: leave limit and cursor out')
    }
    if (isPaged) {
      const page = {
        limit: query.limit ?? limits.listPageDefault,
        first: parseOffsetCursor(query.cursor) ?? 0,
      }
      return await manifestPage(context, c, artifact, page)
    }
    return await manifestStream(context, c, artifact, query.under ?? '')
  })
  routes.get('/directory', async (c) => {
    const { artifact } = await liveArtifact(context, c)
    const { path, limit, cursor } = parseQuery(c, directoryQuery)
    const directory = withoutEndSlashes(path)
    const from = cursor === undefined ? null : parseCursor(cursor, z.string())
    const listing = await context.metadata.listDirectory(artifact.id, { directory, limit, from })
    if (listing === undefined) throw noSuchPath(artifact, directory)
    const nextCursor = linkNext(context, c, listing.next)
    const items = listing.children.map(entryMessage)
    return await sendJson(c, { path: directory, items, nextCursor })
  })
}

async function manifestPage(
  context: AppContext,
  c: AppRequest,
  artifact: Artifact,
  { limit, first }: { limit: number; first: number },
): Promise<Response> {
  const view = `;${first}+${limit}`
  const tag = etag(artifact, acceptsGzip(c) ? `${view};gzip` : view)
  const unread = unmodifiedResponse(c, tag)
  if (unread !== undefined) return unread
  const items: ListedEntry[] = []
  for await (const listed of walkEntries(context.metadata, artifact.id, first)) {
    items.push(listed)
    if (items.length === limit) break
  }
  const end = first + items.length
  const nextCursor = linkNext(context, c, end < artifact.entryCount ? end : null)
  c.header('etag', tag)
  return await sendJson(c, { items: items.map(entryMessage), nextCursor })
}

async function manifestStream(
  context: AppContext,
  c: AppRequest,
  artifact: Artifact,
  under: string,
): Promise<Response> {
  const directory = withoutEndSlashes(under)
  const view = directory === '' ? '' : `;${digestOf(directory)}`
  const tag = etag(artifact, acceptsGzip(c) ? `${view};gzip` : view)
  const unread = unmodifiedResponse(c, tag)
  if (unread !== undefined) return unread
  const subtree = await findSubtree(context.metadata, artifact, directory)
  const headers = { [entriesHeader]: String(countSubtree(subtree)), etag: tag }
  const lines = linesOf(messagesOf(context, artifact, subtree))
  return await sendPieces(context, c, lines, { type: ndjsonType, headers, gzip: { level: 1 } })
}

async function* messagesOf(
  { metadata }: AppContext,
  { id }: Artifact,
  subtree: Subtree,
): AsyncGenerator<WireEntry, void, undefined> {
  for await (const listed of walkSubtree(metadata, id, subtree)) yield entryMessage(listed)
}

/** The tree digest; other views and encodings of the same manifest add a suffix. */
function etag(artifact: Artifact, view: string): string {
  return `"${formatWireDigest(artifact.treeDigest)}${view}"`
}

/** Returns the response if the client has it already, without reading any entry. Errors:
 *  precondition_failed. */
function unmodifiedResponse(c: AppRequest, tag: string): Response | undefined {
  return isUnmodified(c, tag) ? c.body(null, 304, { etag: tag }) : undefined
}
