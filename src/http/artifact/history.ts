/** `GET /artifacts/{id}/history?path=`: the versions of one file from artifact to artifact. */
import type { Hono } from 'hono'
import { apiRoot } from '../../api/paths.ts'
import { historyQuery } from '../../api/queries.ts'
import { mayReadProject } from '../../auth/principal.ts'
import { type History, historyFilter, readHistory } from '../../browse/history.ts'
import { noSuchPath } from '../../browse/entries.ts'
import { forbidden } from '../../core/errors.ts'
import { withoutEndSlashes } from '../../core/manifest/entry.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { liveArtifact } from '../access/access.ts'
import { seenBy } from '../access/seen-by.ts'
import { publicOrigin, type AppContext, type AppEnv, type AppRequest } from '../context.ts'
import { sendJson } from '../body/gzip.ts'
import { linkNext, parseOffsetCursor, parseQuery } from '../input.ts'
import { artifactMessage, entryMessage } from './artifact-message.ts'
import { walkArtifacts } from './walk-artifacts.ts'

export function addHistoryRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(`${apiRoot}/artifacts/:id{[0-9]+}/history`, async (c) => {
    const { artifact, principal } = await liveArtifact(context, c)
    // Other runs' artifacts are part of the answer.
    if (!mayReadProject(principal, artifact.project))
      throw forbidden('the history of a file needs a token that reads its whole project')
    const query = parseQuery(c, historyQuery)
    const path = withoutEndSlashes(query.path)
    const beforeId = parseOffsetCursor(query.cursor)
    const history = await pathHistory(context, c, { artifact, path, beforeId, limit: query.limit })
    const nextCursor = linkNext(context, c, history.next)
    const links = { origin: publicOrigin(context, c), now: context.now() }
    const messageOf = (each: Artifact) => artifactMessage(seenBy(principal, each), links)
    return await sendJson(c, {
      path,
      items: history.versions.map(({ found, newest, oldest, artifacts }) => ({
        entry: found && entryMessage(found),
        newest: messageOf(newest),
        oldest: messageOf(oldest),
        artifacts,
      })),
      nextCursor,
    })
  })
}

/** A page of the history of a path. Without `beforeId` it starts with `artifact` itself. Errors:
 *  not_found (no file or symlink there in any of the artifacts), invalid_request (`beforeId`). */
export async function pathHistory(
  context: AppContext,
  c: AppRequest,
  asked: { artifact: Artifact; path: string; beforeId: number | undefined; limit: number },
): Promise<History> {
  const { artifact, path, beforeId, limit } = asked
  const artifacts = walkArtifacts(context, historyFilter(artifact, beforeId))
  const { signal } = c.req.raw
  const history = await readHistory(context.metadata, artifacts, path, { limit, signal })
  const isNowhere = history.next === null && history.versions.every(({ found }) => found === null)
  if (beforeId === undefined && isNowhere) throw noSuchPath(artifact, path)
  return history
}
