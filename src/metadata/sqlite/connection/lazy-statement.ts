import type { Database, Statement } from 'better-sqlite3'

export type LazyStatement<Parameters extends unknown[], Row> = Pick<
  Statement<Parameters, Row>,
  'all' | 'get' | 'iterate' | 'run'
>

/** A statement that SQLite compiles when it is first used: of three hundred each thread uses a part, and to compile all of
 *  them took half of what a store takes to open. */
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
