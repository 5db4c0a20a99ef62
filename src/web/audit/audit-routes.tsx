/** The audit log of the store, and of one project. */
import { auditQuery } from '../../api/queries.ts'
import { dayMs } from '../../core/units.ts'
import type { AppRequest } from '../../http/context.ts'
import { parseInput } from '../../http/input.ts'
import { readAudit } from '../../http/operation/audit.ts'
import { daysOf, numberOfQuery } from '../input.ts'
import { headingOf, overseenPlace } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { AuditPage } from './audit-page.tsx'

const actsShown = 50

export async function auditPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const { project } = await overseenPlace(context, c)
  const read = (name: string): string => c.req.query(name) ?? ''
  const query = {
    kind: read('kind'),
    days: read('days'),
    artifact: read('artifact'),
    token: read('token').trim(),
  }
  const now = context.now()
  const {
    kind,
    artifact: artifactId,
    token: tokenId,
  } = parseInput(
    auditQuery.pick({ kind: true, artifact: true, token: true }),
    {
      kind: query.kind || undefined,
      artifact: query.artifact || undefined,
      token: query.token || undefined,
    },
    'query',
  )
  const since = query.days === '' ? undefined : now - daysOf(query.days) * dayMs
  const { items, next } = await readAudit(context, {
    filter: { project: project ?? undefined, kind, since, artifactId, tokenId },
    limit: actsShown,
    before: numberOfQuery(c, 'before'),
  })
  const historyDays = context.config.historyMs / dayMs
  return await sendPage(web, c, {
    ...headingOf('Audit log', project),
    body: <AuditPage {...{ project, query, acts: items, next, historyDays, now }} />,
  })
}
