/** Finds the artifacts of a page: selects the first in an order while scanning all, and holds
 *  few of them meanwhile. */
import { type SQL, and, asc, desc, eq, gt, lt, or, sql } from 'drizzle-orm'
import { artifacts } from '../../../../schema/artifacts.ts'
import { runs } from '../../../../schema/runs.ts'
import {
  type ArtifactOrder,
  artifactOrders,
  comparison,
  type Ranked,
} from '../../../core/manifest/artifact-order.ts'
import type { ArtifactFilter, ArtifactPage } from '../../metadata.ts'
import { isAboutRun, matching } from './artifact-filter.ts'
import { createWalk } from './artifact-walk.ts'
import { plain } from '../connection/conditions.ts'
import type { Connection } from '../connection/connection.ts'

/** Upper bound on artifacts held during a walk: about a megabyte. A page further back takes
 *  another walk per so many artifacts. */
const heldMax = 10_000

/** Returns a function that finds the ids of one page, in order. */
export function createIdFinder(
  connection: Connection,
): (filter: ArtifactFilter, page: ArtifactPage) => Promise<number[]> {
  const findFirst = createFirstFinder(connection)
  return async (filter, { limit, offset, sort, now }) => {
    const found: number[] = []
    let skipped = offset
    let after: Ranked | undefined
    while (found.length < limit) {
      const count = Math.min(skipped + limit - found.length, heldMax)
      const first = await findFirst(filter, { order: artifactOrders[sort], after, count, now })
      found.push(...first.slice(skipped).map(({ id }) => id))
      if (first.length < count) break
      skipped = Math.max(0, skipped - first.length)
      after = first.at(-1)
    }
    return found
  }
}

interface Wanted {
  order: ArtifactOrder
  /** Only artifacts after this one. */
  after: Ranked | undefined
  count: number
  now: number
}

/** Returns a function that finds the first artifacts in an order. */
function createFirstFinder(
  connection: Connection,
): (filter: ArtifactFilter, wanted: Wanted) => Promise<Ranked[]> {
  const { orm } = connection
  const walk = createWalk(connection)
  return async (filter, { order, after, count, now }) => {
    const { by, direction } = order
    const compare = comparison(order)
    const isById = by === 'id'
    let first: Ranked[] = []
    const walkOrder = {
      direction,
      after: isById ? after?.id : undefined,
      until: () => (isById && first.length === count ? first.at(-1)!.id : undefined),
    }
    const isBehind = after && !isById ? comesAfter(order, after) : undefined
    const isMatch = and(matching(filter, now), isBehind)
    await walk(filter, walkOrder, (stretch) => {
      const worst = !isById && first.length === count ? first.at(-1) : undefined
      const source = orm
        .select({ id: artifacts.id, key: keyOf(by) })
        .from(artifacts)
        .$dynamic()
      if (isAboutRun(filter)) source.innerJoin(runs, eq(runs.id, artifacts.runId))
      const rows: Ranked[] = source
        .where(and(isMatch, stretch, worst && comesBefore(order, worst)))
        .orderBy(...sorting(order))
        .limit(count)
        .all()
      if (rows.length > 0) first = [...first, ...rows].sort(compare).slice(0, count)
      // Ordered by id, the rest of this index comes after the last match in it.
      const last = rows.at(-1)
      const isDone = isById && last !== undefined && first.length === count
      return !isDone || compare(last, first.at(-1)!) < 0
    })
    return first
  }
}

function keyOf(by: ArtifactOrder['by']): SQL<number | string> {
  return by === 'name' ? sql`name_key(${artifacts.name})` : plain(artifacts[by])
}

function sorting({ by, direction, ids }: ArtifactOrder): SQL[] {
  const sort = { up: asc, down: desc }
  return by === 'id'
    ? [sort[ids](artifacts.id)]
    : [sort[direction](keyOf(by)), sort[ids](artifacts.id)]
}

function comesBefore({ by, direction, ids }: ArtifactOrder, place: Ranked): SQL | undefined {
  const turned = { up: 'down', down: 'up' } as const
  return comesAfter({ by, direction: turned[direction], ids: turned[ids] }, place)
}

function comesAfter({ by, direction, ids }: ArtifactOrder, { id, key }: Ranked): SQL | undefined {
  const behind = { up: gt, down: lt }
  const value = keyOf(by)
  return or(
    behind[direction](value, key),
    and(eq(value, key), behind[ids](plain(artifacts.id), id)),
  )
}
