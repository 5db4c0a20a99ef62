/** Which artifacts are on a page: the first of an order are picked while all are looked through, and few are held meanwhile. */
import { type SQL, and, asc, desc, eq, gt, lt, or } from 'drizzle-orm'
import { artifacts } from '../../../schema/artifacts.ts'
import { runs } from '../../../schema/runs.ts'
import { comparePaths } from '../../core/entry.ts'
import type { ArtifactFilter, ArtifactPage, ArtifactSort } from '../metadata.ts'
import { matching, plain } from './artifact-filter.ts'
import { type WalkOrder, createWalk } from './artifact-walk.ts'
import type { Connection } from './connection.ts'

type Direction = WalkOrder['direction']

interface Order {
  column:
    | typeof artifacts.id
    | typeof artifacts.logicalBytes
    | typeof artifacts.endsAt
    | typeof artifacts.newBytes
    | typeof artifacts.name
  direction: Direction
  /** Of those that are equal. */
  ids: Direction
}

const orders: Record<ArtifactSort, Order> = {
  newest: { column: artifacts.id, direction: 'down', ids: 'down' },
  oldest: { column: artifacts.id, direction: 'up', ids: 'up' },
  largest: { column: artifacts.logicalBytes, direction: 'down', ids: 'down' },
  expiring: { column: artifacts.endsAt, direction: 'up', ids: 'up' },
  costliest: { column: artifacts.newBytes, direction: 'down', ids: 'down' },
  name: { column: artifacts.name, direction: 'up', ids: 'down' },
}

interface Ranked {
  id: number
  key: number | string
}

/** Artifacts that are held while others are looked through: about a megabyte. Pages behind so many take a walk more for as
 *  many again. */
const heldMax = 10_000

/** Answers a function that finds the ids of a page, in order. */
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
      const first = await findFirst(filter, { order: orders[sort], after, count, now })
      found.push(...first.slice(skipped).map(({ id }) => id))
      if (first.length < count) break
      skipped = Math.max(0, skipped - first.length)
      after = first.at(-1)
    }
    return found
  }
}

interface Wanted {
  order: Order
  /** Only what comes behind this one. */
  after: Ranked | undefined
  count: number
  now: number
}

/** Answers a function that finds the first of an order. */
function createFirstFinder(
  connection: Connection,
): (filter: ArtifactFilter, wanted: Wanted) => Promise<Ranked[]> {
  const { orm } = connection
  const walk = createWalk(connection)
  return async (filter, { order, after, count, now }) => {
    const { column, direction } = order
    const compare = comparison(order)
    const isById = column === artifacts.id
    const walkOrder = { direction, after: isById ? after?.id : undefined }
    const isBehind = after && !isById ? comesAfter(order, after) : undefined
    const isMeant = and(matching(filter, now), isBehind)
    let first: Ranked[] = []
    await walk(filter, walkOrder, (stretch) => {
      const rows: Ranked[] = orm
        .select({ id: artifacts.id, key: column })
        .from(artifacts)
        .innerJoin(runs, eq(runs.id, artifacts.runId))
        .where(and(isMeant, stretch))
        .orderBy(...sorting(order))
        .limit(count)
        .all()
      const isFull = first.length === count
      const better = isFull ? rows.filter((row) => compare(row, first.at(-1)!) < 0) : rows
      if (better.length > 0) first = [...first, ...better].sort(compare).slice(0, count)
      // In the order of ids, what follows along this index comes behind what was found there last.
      const last = rows.at(-1)
      const isOver = isById && last !== undefined && first.length === count
      return !isOver || compare(last, first.at(-1)!) < 0
    })
    return first
  }
}

function sorting({ column, direction, ids }: Order): SQL[] {
  const by = { up: asc, down: desc }
  return column === artifacts.id
    ? [by[ids](column)]
    : [by[direction](plain(column)), by[ids](artifacts.id)]
}

function comesAfter({ column, direction, ids }: Order, { id, key }: Ranked): SQL | undefined {
  const behind = { up: gt, down: lt }
  const value = plain(column)
  return or(
    behind[direction](value, key),
    and(eq(value, key), behind[ids](plain(artifacts.id), id)),
  )
}

/** As SQLite sorts: text by its bytes. */
function comparison({ direction, ids }: Order): (a: Ranked, b: Ranked) => number {
  const signs = { up: 1, down: -1 }
  return (a, b) => {
    const byKey =
      typeof a.key === 'number' ? a.key - (b.key as number) : comparePaths(a.key, b.key as string)
    return byKey === 0 ? signs[ids] * (a.id - b.id) : signs[direction] * byKey
  }
}
