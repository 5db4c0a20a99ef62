/** `GET /artifacts/{id}/sizes`: the children of a directory by size. */
import type { Hono } from 'hono'
import { apiRoot } from '../../api/paths.ts'
import { sizesQuery } from '../../api/queries.ts'
import type { WireDirectorySizes } from '../../api/size-messages.ts'
import { measureSizes } from '../../browse/sizes.ts'
import { withoutEndSlashes } from '../../core/manifest/entry.ts'
import { liveArtifact } from '../access/access.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { sendJson } from '../body/gzip.ts'
import { parseQuery } from '../input.ts'

export function addSizeRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(`${apiRoot}/artifacts/:id{[0-9]+}/sizes`, async (c) => {
    const { artifact } = await liveArtifact(context, c)
    const query = parseQuery(c, sizesQuery)
    const path = withoutEndSlashes(query.path)
    const { signal } = c.req.raw
    const sizes = await measureSizes(context.metadata, artifact, path, {
      limit: query.limit,
      signal,
    })
    return await sendJson(c, { path, ...sizes } satisfies WireDirectorySizes)
  })
}
