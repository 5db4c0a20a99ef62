/** `GET /artifacts/{id}/tree`: all entries in compact form, or the differences to a tree that
 *  the client has (api/negotiation.ts). */
import type { Hono } from 'hono'
import { constants } from 'node:zlib'
import { changesMediaType, manifestMediaType } from '../../api/negotiation.ts'
import { apiRoot } from '../../api/paths.ts'
import { treeQuery } from '../../api/queries.ts'
import { StoreError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { manifestHeader } from '../../core/manifest/manifest.ts'
import { changesHeader } from '../../core/manifest/manifest-changes.ts'
import { createByteWriter } from '../../core/bytes/varint.ts'
import type { Artifact, ChangedStretch, ComparePlace } from '../../metadata/metadata.ts'
import { type Access, liveArtifact, readLive } from '../access/access.ts'
import { sendPieces } from '../body/lines.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { parseQuery } from '../input.ts'

export function addTreeRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(`${apiRoot}/artifacts/:id{[0-9]+}/tree`, async (c) => {
    const access = await liveArtifact(context, c)
    const { artifact } = access
    const base = await readBase(context, access, parseQuery(c, treeQuery).base)
    const [pages, type] =
      base === undefined
        ? [treePages(context, artifact), manifestMediaType]
        : [changesPages(context, base, artifact), changesMediaType]
    // The body marks its own end, so a truncated one is detected.
    return await sendPieces(context, c, pages, {
      type,
      gzip: { level: constants.Z_BEST_SPEED, chunkSize: 128 * 1024 },
    })
  })
}

/** Returns undefined when the base is missing or the caller may not read it; the whole tree is
 *  sent then. */
async function readBase(
  context: AppContext,
  { principal }: Access,
  id: number | undefined,
): Promise<Artifact | undefined> {
  if (id === undefined) return undefined
  try {
    return await readLive(context, principal, { kind: 'id', id }, null)
  } catch (error) {
    if (error instanceof StoreError) return undefined
    throw error
  }
}

/** For each page the canonical lines, then the times, as sized records; an empty record ends the
 *  tree. */
async function* treePages({ metadata }: AppContext, artifact: Artifact): AsyncGenerator<Buffer> {
  // Before the header, so that a failure has a status.
  let page = await metadata.readTreePage(artifact.id, 0)
  yield Buffer.from(manifestHeader)
  for (let number = 1; page !== undefined; number++) {
    // The next page is read while this one is being sent.
    const ahead = metadata.readTreePage(artifact.id, number)
    ahead.catch(() => {})
    yield records(page.lines, page.times)
    page = await ahead
  }
  yield records(null)
}

/** Pages of changes, ended by an empty page; then the number of entries per page of times, and
 *  those pages. */
async function* changesPages(
  { metadata }: AppContext,
  base: Artifact,
  artifact: Artifact,
): AsyncGenerator<Buffer> {
  yield Buffer.from(changesHeader)
  let place: ComparePlace | null = { base: 0, head: 0 }
  while (place !== null) {
    const stretch: ChangedStretch = await metadata.readTreeChanges(base.id, artifact.id, place)
    for (let at = 0; at < stretch.lines.length; at += pageBytes)
      yield records(stretch.lines.subarray(at, at + pageBytes))
    place = stretch.next
  }
  yield records(null)
  const entries = createByteWriter(8)
  entries.varint(limits.manifestPageEntries)
  yield entries.bytes()
  for (let first = 0; ;) {
    const times = await metadata.readTreeTimes(artifact.id, first)
    if (times.length === 0) return
    yield records(...times)
    first += times.length
  }
}

/** Less than a client's upper bound for a page. A page of changes may end within a line. */
const pageBytes = 64 * 1024
const empty = Buffer.alloc(0)

function records(...all: (Uint8Array | null)[]): Buffer {
  const out = createByteWriter(all.reduce((sum, each) => sum + (each?.length ?? 0) + 8, 0))
  for (const each of all) out.sized(each ?? empty)
  return out.bytes()
}
