/** Scans many rows in statements of a millisecond or two, yielding to other calls between them. */
import { type SQL, and, asc, desc, gt, gte, lt, lte } from 'drizzle-orm'
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { Connection } from './connection.ts'

/** Rows of the first stretch, which is often enough, and of the longest. */
const rowsFirst = 256
export const stretchRowsMax = 4096

/** Walks the rows of `table` that meet `index`, in the order of their ids. `index` must select rows
 *  that an index of the table has in this order. Rows that appear or disappear during the walk may
 *  be missed or seen. */
export async function inStretches(
  { orm, turn }: Pick<Connection, 'orm' | 'turn'>,
  walk: {
    table: SQLiteTable & { id: SQLiteColumn }
    index: SQL | undefined
    direction: 'up' | 'down'
    /** Starts after this id; undefined starts at the first row. */
    after: number | undefined
    /** Ends before this id. */
    until?: number | undefined
    /** Examines the rows that meet a condition; returns whether to continue. */
    visit(stretch: SQL | undefined): boolean
  },
): Promise<void> {
  const { table, index, direction, until } = walk
  const { id } = table
  const [isBehind, isUpTo, isBefore, order] =
    direction === 'up' ? ([gt, lte, lt, asc] as const) : ([lt, gte, gt, desc] as const)
  const isPast = (end: number, bound: number): boolean =>
    direction === 'up' ? end >= bound : end <= bound
  // Always after some id, so that SQLite walks by id where there is no other condition.
  let after = walk.after ?? (direction === 'up' ? 0 : Number.MAX_SAFE_INTEGER)
  for (let rows = rowsFirst; ; rows = Math.min(rows * 2, stretchRowsMax)) {
    const rest = and(index, isBehind(id, after))
    const query = orm.select({ id }).from(table).where(rest).orderBy(order(id))
    const end = query
      .limit(1)
      .offset(rows - 1)
      .get()?.id as number | undefined
    const isLast = end === undefined || (until !== undefined && isPast(end, until))
    if (isLast) {
      walk.visit(until === undefined ? rest : and(rest, isBefore(id, until)))
      return
    }
    if (!walk.visit(and(rest, isUpTo(id, end)))) return
    after = end
    await turn()
  }
}
