/** Forecasts when space runs out by extrapolating the growth between two instants. */
import { dayMs } from '../core/units.ts'

export interface Growth {
  /** Negative when it shrank. */
  bytesPerDay: number
  /** The days over which it was measured. */
  days: number
}

/** The period over which growth is measured: long enough to even out weekly cycles, short enough to
 *  notice a change. */
const windowMs = 30 * dayMs

/** Growth over the last 30 days, or over the known history if it is shorter; undefined for less
 *  than a day. Each of `points`, oldest first, holds from its instant to the next point, and the
 *  last until `now`. */
export function growthOf(
  points: readonly { at: number; bytes: number }[],
  now: number,
): Growth | undefined {
  const last = points.at(-1)
  const from = now - windowMs
  const first = points.findLast(({ at }) => at <= from) ?? points[0]
  if (first === undefined || last === undefined) return undefined
  const spanMs = now - Math.max(first.at, from)
  if (spanMs < dayMs) return undefined
  const days = spanMs / dayMs
  return { bytesPerDay: (last.bytes - first.bytes) / days, days }
}

/** Whole days until `leftBytes` are used up: 0 when they already are, null when there is no
 *  growth. */
export function daysUntilFull(leftBytes: number, growth: Growth): number | null {
  if (growth.bytesPerDay <= 0) return null
  return Math.floor(Math.max(0, leftBytes) / growth.bytesPerDay)
}
