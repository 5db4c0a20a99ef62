/** Deletes rows whose time has passed, some per call. */
import type { Connection } from '../connection/connection.ts'

export function createPurge(
  { prepare, write }: Connection,
  { table, instant }: { table: string; instant: string },
): (before: number, limit: number) => Promise<number> {
  const purge = prepare<[number, number]>(`DELETE FROM ${table} WHERE ${instant} < ? LIMIT ?`)
  return async (before, limit) => write(() => purge.run(before, limit).changes)
}
