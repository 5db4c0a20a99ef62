/** Scans many rows in statements of a millisecond or two, yielding to other calls between them. */
import type { Connection } from './connection.ts'

/** Rows of the first stretch, which is often enough, and of the longest. */
const rowsFirst = 256
export const stretchRowsMax = 4096

/** Walks an index in which rows are ordered by id. Rows that appear or disappear during the walk
 *  may be missed or seen. */
export async function inStretches(
  { turn }: Pick<Connection, 'turn'>,
  walk: {
    /** Starts after this id. */
    after: number | undefined
    /** The id of the row `rows` rows after an id; undefined when fewer rows follow. */
    findEnd(after: number | undefined, rows: number): number | undefined
    /** Examines the rows after one id, up to and including another; returns whether to continue. */
    visit(after: number | undefined, end: number | undefined): boolean
  },
): Promise<void> {
  let { after } = walk
  for (let rows = rowsFirst; ; rows = Math.min(rows * 2, stretchRowsMax)) {
    const end = walk.findEnd(after, rows)
    if (!walk.visit(after, end) || end === undefined) return
    after = end
    await turn()
  }
}
