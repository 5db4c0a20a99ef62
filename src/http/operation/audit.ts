/** `GET /audit`: who deleted something, or changed what others rely on. */
import type { Hono } from 'hono'
import type { WireAct } from '../../api/audit.ts'
import { auditPath } from '../../api/paths.ts'
import { auditQuery } from '../../api/queries.ts'
import type { Act, ActDetails } from '../../metadata/metadata.ts'
import { projectOf, requireOversight } from '../access/access.ts'
import { actorMessage } from '../access/actor.ts'
import { requirePrincipal } from '../access/authenticate.ts'
import { instant } from '../instant.ts'
import { sendJson } from '../body/gzip.ts'
import type { AppContext, AppEnv, AppRequest } from '../context.ts'
import { cutPage, linkNext, parseOffsetCursor, parseQuery } from '../input.ts'
import { policyMessage } from './projects.ts'

export function addAuditRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(auditPath, async (c) => await listActs(context, c))
}

async function listActs(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requirePrincipal(context, c)
  const {
    project: named,
    kind,
    since,
    artifact: artifactId,
    token: tokenId,
    limit,
    cursor,
  } = parseQuery(c, auditQuery)
  const project = projectOf(principal, named)
  await requireOversight(context, principal, project)
  const page = await readAudit(context, {
    filter: {
      project: project ?? undefined,
      kind,
      since: since === undefined ? undefined : Date.parse(since),
      artifactId,
      tokenId,
    },
    limit,
    before: parseOffsetCursor(cursor),
  })
  const nextCursor = linkNext(context, c, page.next)
  return await sendJson(c, { items: page.items, nextCursor })
}

type ListActs = AppContext['metadata']['listActs']

/** Returns a page of the audit log, and where the next page begins; null at the end. */
export async function readAudit(
  { metadata }: Pick<AppContext, 'metadata'>,
  {
    filter,
    limit,
    before,
  }: { filter: Parameters<ListActs>[0]; limit: number; before: number | undefined },
): Promise<{ items: WireAct[]; next: number | null }> {
  const found = await metadata.listActs(filter, { limit: limit + 1, before })
  const { items, last } = cutPage(found, limit)
  return { items: items.map(actMessage), next: last?.id ?? null }
}

function actMessage({ at, by, details, ...act }: Act): WireAct {
  return {
    ...act,
    at: instant(at),
    details: detailsMessage(details),
    by: by === null ? null : { ...actorMessage(by), tokenIds: [...by.tokenIds], origin: by.origin },
  }
}

function detailsMessage({
  expiresAt,
  issuedUntil,
  before,
  after,
  token,
  ...plain
}: ActDetails): WireAct['details'] {
  return {
    ...plain,
    ...(expiresAt !== undefined && { expiresAt: instant(expiresAt) }),
    ...(issuedUntil !== undefined && { issuedUntil: instant(issuedUntil) }),
    ...(before !== undefined && { before: policyMessage(before) }),
    ...(after !== undefined && { after: policyMessage(after) }),
    ...(token !== undefined && { token: { ...token, expiresAt: instant(token.expiresAt) } }),
  }
}
