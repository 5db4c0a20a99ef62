/** `GET /digests/{digest}`: the artifacts that hold a file, among those that the caller may
 *  read. Results from others would disclose that they have it (invariant 10). */
import type { Hono } from 'hono'
import { apiRoot } from '../../api/paths.ts'
import { holdersQuery } from '../../api/queries.ts'
import { mayReadProject, type Principal } from '../../auth/principal.ts'
import { findHolders } from '../../browse/holders.ts'
import { forbidden } from '../../core/errors.ts'
import { namedProject, projectIdsOf } from '../access/access.ts'
import { artifactMessage } from './artifact-message.ts'
import { requireReader } from '../access/authenticate.ts'
import { seenBy } from '../access/seen-by.ts'
import { publicOrigin, type AppContext, type AppEnv, type AppRequest } from '../context.ts'
import { sendJson } from '../body/gzip.ts'
import { cutPage, digestField, linkNext, parseOffsetCursor, parseQuery } from '../input.ts'

export function addDigestRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(`${apiRoot}/digests/:digest`, async (c) => await listHolders(context, c))
}

async function listHolders(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requireReader(context, c)
  const query = parseQuery(c, holdersQuery)
  const digest = digestField(c.req.param('digest') ?? '', 'digest')
  const projectIds = await searchedProjects(context, principal, query.project)
  const now = context.now()
  const beforeId = parseOffsetCursor(query.cursor)
  const found = await findHolders(context.metadata, digest, {
    projectIds,
    now,
    limit: query.limit + 1,
    ...(beforeId !== undefined && { beforeId }),
  })
  const { items, last } = cutPage(found, query.limit)
  const nextCursor = linkNext(context, c, last?.artifact.id ?? null)
  const origin = publicOrigin(context, c)
  return await sendJson(c, {
    items: items.map(({ artifact, path }) => ({
      ...artifactMessage(seenBy(principal, artifact), { origin, now }),
      path,
    })),
    nextCursor,
  })
}

/** The projects of `projectIdsOf`, all of which the caller must be able to read as a whole. Errors:
 *  also invalid_name, forbidden. */
export async function searchedProjects(
  context: AppContext,
  principal: Principal,
  named: string | undefined,
): Promise<number[] | null> {
  const project = namedProject(principal, named)
  const ids = await projectIdsOf(context, principal, { project, to: 'read' })
  if (project === null || mayReadProject(principal, project)) return ids
  throw forbidden('finding files requires a token that can read its whole project')
}
