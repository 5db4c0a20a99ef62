import type { Database, Statement } from 'better-sqlite3'

export type LazyStatement<Parameters extends unknown[], Row> = Pick<
  Statement<Parameters, Row>,
  'all' | 'get' | 'iterate' | 'run'
>

/** A statement that SQLite compiles on first use. Each thread uses only some of three hundred,
 *  and compiling all of them took half the time of opening a store. */
export function prepareLazily<Parameters extends unknown[], Row>(
  database: Database,
  sql: string,
): LazyStatement<Parameters, Row> {
  let compiled: Statement<Parameters, Row> | undefined
  const statement = (): Statement<Parameters, Row> =>
    (compiled ??= database.prepare<Parameters, Row>(sql) as Statement<Parameters, Row>)
  return {
    all: (...parameters) => statement().all(...parameters),
    get: (...parameters) => statement().get(...parameters),
    iterate: (...parameters) => statement().iterate(...parameters),
    run: (...parameters) => statement().run(...parameters),
  }
}
