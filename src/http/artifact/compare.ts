/** `GET /compare`: the differences between the entries of two artifacts. */
import { Hono } from 'hono'
import type { WireComparisonHead, WireDifference } from '../../api/comparison-messages.ts'
import { apiRoot } from '../../api/paths.ts'
import { compareQuery } from '../../api/queries.ts'
import { compareEntries } from '../../browse/compare.ts'
import type { Difference } from '../../browse/difference.ts'
import { parseReference } from '../../core/reference.ts'
import { parseProjectName } from '../../core/run/run.ts'
import { readLive } from '../access/access.ts'
import { artifactMessage, entryMessage } from './artifact-message.ts'
import { requireReader } from '../access/authenticate.ts'
import { publicOrigin, type AppContext, type AppEnv } from '../context.ts'
import { linkNext, parseOffsetCursor, parseQuery } from '../input.ts'
import { linesOf, ndjsonType, sendPieces } from '../body/lines.ts'

export function createCompareRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get(`${apiRoot}/compare`, async (c) => {
    const principal = await requireReader(context, c)
    const query = parseQuery(c, compareQuery)
    const project = query.project === undefined ? null : parseProjectName(query.project)
    const base = await readLive(context, principal, parseReference(query.base), project)
    const head = await readLive(context, principal, parseReference(query.head), project)
    const now = context.now()
    const { differences, totals, complete, growth } = await compareEntries(
      context.metadata,
      base.id,
      head.id,
      c.req.raw.signal,
    )
    const origin = publicOrigin(context, c)
    const comparison = {
      base: artifactMessage(base, { origin, now }),
      head: artifactMessage(head, { origin, now }),
      totals: { ...totals, baseBytes: base.logicalBytes, headBytes: head.logicalBytes },
      complete,
      growth: { ...growth, paths: growth.paths.map(differenceMessage) },
    }
    c.header('cache-control', 'private, no-cache')
    c.header('vary', 'Accept')
    if (c.req.header('accept')?.includes(ndjsonType) === true) {
      const head = { ...comparison, differences: differences.length }
      return await sendPieces(c, linesOf(comparisonLines(head, differences)), {
        idleMs: context.config.idleMs,
        headers: { 'content-type': ndjsonType },
      })
    }
    // Nothing is kept between requests: each page repeats the merge, which reads no file contents.
    const first = parseOffsetCursor(query.cursor)
    const end = first + query.limit
    const nextCursor = linkNext(context, c, end < differences.length ? end : null)
    const items = differences.slice(first, end).map(differenceMessage)
    return c.json({ ...comparison, items, nextCursor })
  })
  return app
}

function* comparisonLines(
  head: WireComparisonHead,
  differences: readonly Difference[],
): Generator<WireComparisonHead | WireDifference> {
  yield head
  for (const difference of differences) yield differenceMessage(difference)
}

function differenceMessage({ kind, before, after }: Difference): WireDifference {
  return {
    kind,
    path: (after ?? before).entry.path,
    from: kind === 'moved' ? before.entry.path : null,
    before: before === null ? null : entryMessage(before),
    after: after === null ? null : entryMessage(after),
  }
}
