/** `GET /compare`: the differences between the entries of two artifacts. */
import type { Hono } from 'hono'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { WireComparisonHead, WireDifference } from '../../api/comparison-messages.ts'
import { apiRoot } from '../../api/paths.ts'
import { compareQuery } from '../../api/queries.ts'
import { type Comparison, compareEntries } from '../../browse/compare.ts'
import type { Difference } from '../../browse/difference.ts'
import { parseReference } from '../../core/reference.ts'
import { nextTurn } from '../../core/turn.ts'
import { parseProjectName } from '../../core/run/run.ts'
import { readLive } from '../access/access.ts'
import { artifactMessage, entryMessage } from './artifact-message.ts'
import { requireReader } from '../access/authenticate.ts'
import { publicOrigin, type AppContext, type AppEnv } from '../context.ts'
import { linkNext, parseOffsetCursor, parseQuery } from '../input.ts'
import { sendJson } from '../body/gzip.ts'
import { linesOf, ndjsonType, sendPieces } from '../body/lines.ts'

export function addCompareRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(`${apiRoot}/compare`, async (c) => {
    const principal = await requireReader(context, c)
    const query = parseQuery(c, compareQuery)
    const project = query.project === undefined ? null : parseProjectName(query.project)
    const base = await readLive(context, principal, parseReference(query.base), project)
    const head = await readLive(context, principal, parseReference(query.head), project)
    const now = context.now()
    const origin = publicOrigin(context, c)
    const messageOf = ({ totals, complete, growth }: Comparison) => ({
      base: artifactMessage(base, { origin, now }),
      head: artifactMessage(head, { origin, now }),
      totals: { ...totals, baseBytes: base.logicalBytes, headBytes: head.logicalBytes },
      complete,
      growth: { ...growth, paths: growth.paths.map(differenceMessage) },
    })
    const { signal } = c.req.raw
    const sides: Parameters<typeof compareEntries>[0] = [context.metadata, base.id, head.id, signal]
    c.header('vary', 'Accept')
    if (c.req.header('accept')?.includes(ndjsonType) === true) {
      const packed = await compareEntries(sides, async (comparison) => {
        const { differences } = comparison
        const first = { ...messageOf(comparison), differences: differences.length }
        return await pack(linesOf(comparisonLines(first, differences)), signal)
      })
      return await sendPieces(context, c, unpacked(packed), {
        type: ndjsonType,
        gzip: { level: 1 },
      })
    }
    // Nothing is kept between requests: each page repeats the merge, which reads no file contents.
    const first = parseOffsetCursor(query.cursor) ?? 0
    return await compareEntries(sides, async (comparison) => {
      const { differences } = comparison
      const end = first + query.limit
      const nextCursor = linkNext(context, c, end < differences.length ? end : null)
      const items = differences.slice(first, end).map(differenceMessage)
      return await sendJson(c, { ...messageOf(comparison), items, nextCursor })
    })
  })
}

/** Deflates pieces. A client may take hours to read, and a comparison has 35 MB of objects:
 *  fourteen slow readers ended the server. Errors: the abort reason of `signal`. */
async function pack(pieces: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Buffer[]> {
  const packed: Buffer[] = []
  for await (const piece of pieces) {
    packed.push(deflateRawSync(piece, { level: 1 }))
    await nextTurn()
    signal.throwIfAborted()
  }
  return packed
}

async function* unpacked(packed: readonly Buffer[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const piece of packed) yield inflateRawSync(piece)
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
