/** How a question about dying copies walks rows: in steps that yield to other calls, and with
 *  temporary tables of this connection, whose rows carry the number of the question. */
import type { Connection } from '../connection/connection.ts'
import type { Question } from './holding.ts'

/** Rows per step. A lookup costs about 2 µs; a blob takes up to eight, plus one per dying
 *  manifest that has it. */
const step = 250
/** References per statement, mostly to blobs that were checked before: about half a microsecond
 *  each. */
const referencesAtOnce = 2000
/** The batch grows while a statement takes less than this: files common to all builds can be in
 *  thousands of manifests, others in one. */
const statementMs = 1

/** Returns a function that runs a statement for many ids, in batches sized to take little time,
 *  and returns the ids that the statement returns. */
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

/** Returns a function that walks the rows of a table in pages, by a key below an owner. It
 *  yields the blobs of a column that were not checked before: the result for a blob is the same
 *  whichever reference leads to it. */
export function createUncheckedPaging({ prepare, turn }: Connection) {
  return (table: string, owner: string | null, key: string, column = key) => {
    const isBehind = `${owner === null ? '' : `${owner} = @owner AND`} ${key} > @after`
    const findEnd = prepare<[object], { key: number }>(
      `SELECT ${key} AS key FROM ${table} WHERE ${isBehind} ORDER BY ${key} LIMIT 1 OFFSET ${referencesAtOnce - 1}`,
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

/** Returns a function that walks the rows of a table in pages, by a key below an owner. It
 *  yields the ids of a column. */
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

/** Yields one by one what `createPaging` yields in pages, until `signal` is aborted. Errors: its
 *  abort reason. */
export async function* eachOf(
  pages: AsyncGenerator<number[]>,
  signal: AbortSignal | undefined,
): AsyncGenerator<number> {
  for await (const ids of pages) {
    for (const id of ids) {
      signal?.throwIfAborted()
      yield id
    }
  }
}
