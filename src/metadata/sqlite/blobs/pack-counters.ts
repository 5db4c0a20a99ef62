/** Counts how much of a pack, and with it of the store, is alive. Members of a pack share its
 *  framing (headers, names, directory) evenly, so a pack whose copies are all alive counts with
 *  its whole size. The counts serve figures and the choice of candidates; deletion counts stream
 *  rows. */
import type { Connection } from '../connection/connection.ts'

/** Returns a function that adds live copies to a pack (or subtracts them, when negative), inside
 *  a transaction. */
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
