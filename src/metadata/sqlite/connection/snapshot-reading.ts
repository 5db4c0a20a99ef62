/** Reads one snapshot of the database in steps between which the thread does other things, which a
 *  transaction of its connection cannot: writes would take part in it. */
import SqliteDatabase from 'better-sqlite3'
import type { Connection } from './connection.ts'
import { prepareLazily } from './lazy-statement.ts'

/** Runs `work` with a connection of its own, which sees the database as of the first read. */
export async function onSnapshot<Result>(
  path: string,
  work: (snapshot: Pick<Connection, 'prepare'>) => Promise<Result>,
): Promise<Result> {
  const database = new SqliteDatabase(path, { readonly: true, fileMustExist: true })
  try {
    database.exec('BEGIN')
    return await work({
      prepare: <Parameters extends unknown[], Row>(sql: string) =>
        prepareLazily<Parameters, Row>(database, sql),
    })
  } finally {
    // Ends the transaction.
    database.close()
  }
}
