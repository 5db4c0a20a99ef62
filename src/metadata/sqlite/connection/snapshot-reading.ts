/** Reads one snapshot of the database in steps between which the thread does other things, which a
 *  transaction of its connection cannot: writes would take part in it. */
import SqliteDatabase from 'better-sqlite3'
import type { Connection } from './connection.ts'
import { prepareLazily } from './lazy-statement.ts'

/** A connection of its own, which sees the database as of the first read. */
export interface Snapshot extends Pick<Connection, 'prepare'> {
  /** Copies the database, page by page, to the file at `path`, which must be empty. Calls `onStep`
   *  after some pages each; its error ends the copy. */
  copyTo(path: string, onStep: () => void): Promise<void>
}

/** 4 MiB. */
const pagesPerStep = 1024

export async function onSnapshot<Result>(
  path: string,
  work: (snapshot: Snapshot) => Promise<Result>,
): Promise<Result> {
  const database = new SqliteDatabase(path, { readonly: true, fileMustExist: true })
  try {
    database.exec('BEGIN')
    return await work({
      prepare: <Parameters extends unknown[], Row>(sql: string) =>
        prepareLazily<Parameters, Row>(database, sql),
      copyTo: async (target, onStep) => {
        // SQLite begins a copy again when another connection has written, unless a transaction
        // that has read is open (sqlite3_backup_step).
        database.prepare('SELECT count(*) FROM sqlite_schema').get()
        const progress = (): number => {
          onStep()
          return pagesPerStep
        }
        await database.backup(target, { progress })
      },
    })
  } finally {
    // Ends the transaction.
    database.close()
  }
}
