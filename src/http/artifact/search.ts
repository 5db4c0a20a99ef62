/** `GET /search`: matching paths inside artifacts, one match per line. */
import type { Hono } from 'hono'
import { constants } from 'node:zlib'
import * as z from 'zod'
import type { WireSearchLine, WireSearchMatch } from '../../api/messages.ts'
import { searchPath } from '../../api/paths.ts'
import { searchQuery } from '../../api/queries.ts'
import { referenceTo } from '../../browse/find-artifact.ts'
import {
  type Matches,
  type Search,
  searchArtifacts,
  type SearchPlace,
} from '../../browse/search.ts'
import { limits } from '../../core/limits.ts'
import { compilePathGlobs } from '../../core/glob/path-glob.ts'
import { formatReference } from '../../core/reference.ts'
import type { Artifact, ArtifactFilter } from '../../metadata/metadata.ts'
import { entryMessage } from './artifact-message.ts'
import { instant } from '../instant.ts'
import { filterFor } from './artifacts.ts'
import { requireReader } from '../access/authenticate.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { formatCursor, parseCursor, parseQuery, position } from '../input.ts'
import { ndjsonType, sendPieces } from '../body/lines.ts'
import { walkArtifacts } from './walk-artifacts.ts'

export function addSearchRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(searchPath, async (c) => {
    const principal = await requireReader(context, c)
    const { path, limit, cursor, ...narrowing } = parseQuery(c, searchQuery)
    const globs = [path]
    // Rejects an invalid pattern even when there is no artifact to search.
    compilePathGlobs(globs)
    const from = parseSearchCursor(cursor)
    const filter = await filterFor(context, principal, narrowing)
    const { signal } = c.req.raw
    // A search that finds nothing for long looks to the idle timer like a client that stopped
    // reading.
    const msMax = Math.min(limits.searchMs, context.config.idleMs / 2)
    const search = { globs, limit, from, msMax, signal }
    const lines =
      filter === null ? end(null) : linesOf(context, searchNewest(context, filter, search))
    // Each match is flushed: the next one can be far away.
    const gzip = { level: 1, flush: constants.Z_SYNC_FLUSH }
    return await sendPieces(context, c, lines, { type: ndjsonType, gzip })
  })
}

/** Yields the matches of each step at once. */
async function* linesOf(
  { metadata, now }: AppContext,
  steps: AsyncGenerator<Matches, SearchPlace | null, undefined>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) {
    const { value, done } = await steps.next()
    if (done === true) {
      yield* end(value)
      return
    }
    const { artifact, found } = value
    const reference = formatReference(await referenceTo(metadata, artifact, now()))
    const message = matchedMessage(artifact)
    yield encode(found.map((each) => ({ reference, artifact: message, entry: entryMessage(each) })))
  }
}

async function* end(place: SearchPlace | null): AsyncGenerator<Uint8Array, void, undefined> {
  yield encode([{ nextCursor: place === null ? null : formatSearchCursor(place) }])
}

function encode(lines: WireSearchLine[]): Uint8Array {
  return Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
}

function matchedMessage(artifact: Artifact): WireSearchMatch['artifact'] {
  const { id, name, project, runNumber: run, attempt, branch, sha, workflow, event } = artifact
  const createdAt = instant(artifact.createdAt)
  return { id, name, project, run, attempt, branch, sha, workflow, event, createdAt }
}

/** Searches the artifacts that match a filter, newest first, from a place on. */
export function searchNewest(
  context: Pick<AppContext, 'metadata' | 'now'>,
  filter: ArtifactFilter,
  search: Omit<Search, 'now'>,
): AsyncGenerator<Matches, SearchPlace | null, undefined> {
  const { from } = search
  const rest = from === undefined ? filter : { ...filter, beforeId: from.artifactId + 1 }
  return searchArtifacts(context.metadata, walkArtifacts(context, rest), {
    ...search,
    now: context.now,
  })
}

/** A place as an opaque cursor for URLs. */
export function formatSearchCursor({ artifactId, ordinal }: SearchPlace): string {
  return formatCursor([artifactId, ordinal])
}

/** Errors: invalid_request. */
export function parseSearchCursor(cursor: string | undefined): SearchPlace | undefined {
  if (cursor === undefined) return undefined
  const [artifactId, ordinal] = parseCursor(cursor, z.tuple([position, position]))
  return { artifactId, ordinal }
}
