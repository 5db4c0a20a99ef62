/** Looking through many rows in statements of a millisecond or two, with a turn for other calls between them. */
import type { Connection } from './connection.ts'

/** Rows of the first stretch, which often is enough, and of the longest. */
const rowsFirst = 256
export const stretchRowsMax = 4096

/** Goes along an index in which rows come by id. What comes or goes meanwhile is seen or not. */
export async function inStretches(
  { turn }: Pick<Connection, 'turn'>,
  walk: {
    /** Where it begins: behind this id. */
    after: number | undefined
    /** The id of the row that comes so many rows behind an id; undefined when there are not so many. */
    findEnd(after: number | undefined, rows: number): number | undefined
    /** Looks at what comes behind an id, up to and with another one; answers whether it is to go on. */
    look(after: number | undefined, end: number | undefined): boolean
  },
): Promise<void> {
  let { after } = walk
  for (let rows = rowsFirst; ; rows = Math.min(rows * 2, stretchRowsMax)) {
    const end = walk.findEnd(after, rows)
    if (!walk.look(after, end) || end === undefined) return
    after = end
    await turn()
  }
}
