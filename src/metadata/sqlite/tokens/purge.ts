/** Deletes rows whose time has passed, some per call. */
import type { Connection } from '../connection/connection.ts'

export function createPurge(
  { prepare, write }: Connection,
  { table, key, instant }: { table: string; key: string; instant: string },
): (before: number, limit: number) => Promise<number> {
  const purge = prepare<[number, number]>(
    `DELETE FROM ${table} WHERE ${key} IN
       (SELECT ${key} FROM ${table} WHERE ${instant} < ? LIMIT ?)`,
  )
  return async (before, limit) => write(() => purge.run(before, limit).changes)
}
