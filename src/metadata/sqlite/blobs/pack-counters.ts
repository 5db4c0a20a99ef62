/** Counts how much of a pack, and with it of the store, is alive. Members of a pack share its
 *  framing (headers, names, directory) evenly, so a pack whose copies are all alive counts with
 *  its whole size. The counts serve figures and the choice of candidates; deletion counts stream
 *  rows. */
import type { Connection } from '../connection/connection.ts'

/** Live copies that a pack gains, or loses when negative. */
export interface PackChange {
  packId: number
  count: number
  bytes: number
}

/** Returns a function that counts changes, inside a transaction; a pack can have several. */
export function createPackCounter({ prepare }: Connection): (changes: PackChange[]) => void {
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
  return (changes) => {
    const sums = new Map<number, { count: number; bytes: number }>()
    for (const { packId, count, bytes } of changes) {
      const sum = sums.get(packId) ?? { count: 0, bytes: 0 }
      sums.set(packId, { count: sum.count + count, bytes: sum.bytes + bytes })
    }
    for (const [packId, { count, bytes }] of sums) {
      if (count === 0) continue
      const then = before.get(packId)!.bytes
      total.run(change.get(count, bytes, packId)!.bytes - then)
    }
  }
}
