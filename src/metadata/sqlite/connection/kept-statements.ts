import type { Database, Statement } from 'better-sqlite3'

/** Each takes up to 40 KB. */
const statementsMax = 50

/** The same database, which keeps the statements it compiles, by their text; the one that was used
 *  least recently makes room. For queries that are built anew for each call: compiling one takes
 *  50 microseconds or more, usually longer than running it. */
export function keepingStatements(database: Database): Database {
  const kept = new Map<string, Statement>()
  const prepare = (sql: string): Statement => {
    const statement = kept.get(sql) ?? database.prepare(sql)
    kept.delete(sql)
    kept.set(sql, statement)
    if (kept.size > statementsMax) kept.delete(kept.keys().next().value!)
    return statement
  }
  return Object.assign(Object.create(database) as Database, { prepare })
}
