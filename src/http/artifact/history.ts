/** `GET /artifacts/{id}/history?path=`: the versions of one file from artifact to artifact. */
import { Hono } from 'hono'
import { apiRoot } from '../../api/paths.ts'
import { historyQuery } from '../../api/queries.ts'
import { mayReadProject } from '../../auth/principal.ts'
import { readHistory } from '../../browse/history.ts'
import { withoutEndSlashes } from '../../core/entry.ts'
import { forbidden, liveArtifact } from '../access/access.ts'
import { publicOrigin, type AppContext, type AppEnv } from '../context.ts'
import { linkNext, parseOffsetCursor, parseQuery } from '../input.ts'
import { artifactMessage, entryMessage } from './artifact-message.ts'

export function createHistoryRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get(`${apiRoot}/artifacts/:id{[0-9]+}/history`, async (c) => {
    const { artifact, principal } = await liveArtifact(context, c)
    // Other runs' artifacts are part of the answer.
    if (!mayReadProject(principal, artifact.project))
      throw forbidden('the history of a file needs a token that reads its whole project')
    const query = parseQuery(c, historyQuery)
    const path = withoutEndSlashes(query.path)
    const beforeId = parseOffsetCursor(query.cursor)
    const now = context.now()
    const { versions, next } = await readHistory(context.metadata, artifact, path, {
      limit: query.limit,
      beforeId: beforeId > 0 ? beforeId : undefined,
      now,
      signal: c.req.raw.signal,
    })
    const nextCursor = linkNext(context, c, next)
    const links = { origin: publicOrigin(context, c), now }
    c.header('cache-control', 'private, no-cache')
    return c.json({
      path,
      items: versions.map(({ found, newest, oldest, artifacts }) => ({
        entry: found && entryMessage(found),
        newest: artifactMessage(newest, links),
        oldest: artifactMessage(oldest, links),
        artifacts,
      })),
      nextCursor,
    })
  })
  return app
}
