/** How a question about what would die walks the rows that it is about: in steps that let other calls have their turn, and by
 *  temporary tables of this connection, which keep questions apart by their number. */
import type { Connection } from '../connection/connection.ts'
import type { Question } from './holding.ts'

/** A look-up costs about 2 µs, and a blob takes up to eight, and one for each manifest that dies and has it. */
const step = 250
/** References of one statement, mostly to what was asked about before: about half a microsecond each. */
const askedAtOnce = 2000
/** A statement that took less is followed by one about more rows: files that every build has can be in thousands of
 *  manifests, others in one. */
const statementMs = 1

/** Answers a function that runs a statement for many ids, for as many at once as take little time, and gives the ids that it
 *  returns. */
export function createNoting(
  { prepare, turn }: Connection,
  sql: string,
): (parameters: Question, ids: number[]) => Promise<number[]> {
  const statement = prepare<[Question], { id: number }>(sql)
  let atOnce = 1
  return async (parameters, ids) => {
    const noted: number[] = []
    for (let at = 0; at < ids.length;) {
      const some = ids.slice(at, at + atOnce)
      at += some.length
      const startedAt = performance.now()
      for (const { id } of statement.all({ ...parameters, ids: JSON.stringify(some) }))
        noted.push(id)
      const isShort = performance.now() - startedAt < statementMs
      atOnce = isShort ? Math.min(atOnce * 2, step) : 1
      await turn()
    }
    return noted
  }
}

/** Answers a function that walks the rows of a table in pages, by a key below an owner; gives the blobs of a column that were
 *  not asked about before: the answer for a blob is the same whichever reference leads to it. */
export function createAsking({ prepare, turn }: Connection) {
  return (table: string, owner: string | null, key: string, column = key) => {
    const isBehind = `${owner === null ? '' : `${owner} = @owner AND`} ${key} > @after`
    const findEnd = prepare<[object], { key: number }>(
      `SELECT ${key} AS key FROM ${table} WHERE ${isBehind} ORDER BY ${key} LIMIT 1 OFFSET ${askedAtOnce - 1}`,
    )
    const note = prepare<[object], { id: number }>(
      `INSERT OR IGNORE INTO temp.asked_blobs (question, blob_id)
       SELECT @question, ${column} FROM ${table} WHERE ${isBehind} AND ${key} <= @end RETURNING blob_id AS id`,
    )
    return async function* (
      { question }: Question,
      ownerId: number | null,
    ): AsyncGenerator<number[]> {
      const place = { after: -1, ...(owner !== null && { owner: ownerId }) }
      for (let isMore = true; isMore;) {
        const last = findEnd.get(place)
        const end = last?.key ?? Number.MAX_SAFE_INTEGER
        yield note.all({ question, end, ...place }).map(({ id }) => id)
        isMore = last !== undefined
        place.after = end
        await turn()
      }
    }
  }
}

/** Answers a function that walks the rows of a table in pages, by a key below an owner; gives the ids of a column. */
export function createPaging({ prepare, turn }: Connection) {
  return (table: string, owner: string | null, key: string, column = key) => {
    const condition = owner === null ? '' : `${owner} = @owner AND`
    const statement = prepare<[object], { key: number; id: number }>(
      `SELECT ${key} AS key, ${column} AS id FROM ${table}
       WHERE ${condition} ${key} > @after ORDER BY ${key} LIMIT ${step}`,
    )
    return async function* (ownerId: number | null): AsyncGenerator<number[]> {
      for (let after = -1; ;) {
        const rows = statement.all({ after, ...(owner !== null && { owner: ownerId }) })
        if (rows.length === 0) return
        yield rows.map((row) => row.id)
        after = rows.at(-1)!.key
        await turn()
      }
    }
  }
}
