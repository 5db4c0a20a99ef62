/** How much of a pack is alive, and how much of the store with it. Members of a pack share its framing (headers, names,
 *  directory) evenly, so a pack in which every copy lives counts with its whole size. For figures and for choosing what
 *  to look at; deletion counts stream rows. */
import type { Connection } from '../connection/connection.ts'

/** Answers a function that adds (or takes, when negative) live copies of a pack, inside a transaction. */
export function createPackCounter({
  prepare,
}: Connection): (packId: number, count: number, bytes: number) => void {
  const alive = `CASE live_count WHEN 0 THEN 0
    ELSE live_bytes + (size_bytes - copy_bytes) * live_count / copy_count END`
  const before = prepare<[number], { bytes: number }>(
    `SELECT ${alive} AS bytes FROM packs WHERE id = ?`,
  )
  const change = prepare<[number, number, number], { bytes: number }>(
    `UPDATE packs SET live_count = live_count + ?, live_bytes = live_bytes + ? WHERE id = ?
     RETURNING ${alive} AS bytes`,
  )
  const total = prepare<[number]>('UPDATE totals SET live_bytes = live_bytes + ? WHERE scope = 0')
  return (packId, count, bytes) => {
    if (count === 0) return
    const then = before.get(packId)!.bytes
    total.run(change.get(count, bytes, packId)!.bytes - then)
  }
}
