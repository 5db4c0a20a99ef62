/** When the room ends if things go on as they did: growth between two instants, carried forward. */
import { dayMs } from '../core/units.ts'

export interface Growth {
  /** Negative when it shrank. */
  bytesPerDay: number
  /** The days that it was measured over. */
  days: number
}

/** How far back growth is looked at: long enough to even out a week, short enough to notice a change. */
const windowMs = 30 * dayMs

/** Over the last 30 days, or as long as is known; undefined for less than a day. `points` hold from their instant to the
 *  next one, oldest first, and the last of them until `now`. */
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

/** Whole days until `leftBytes` are used up; null when there is no growth. 0 when they are. */
export function daysUntilFull(leftBytes: number, growth: Growth): number | null {
  if (growth.bytesPerDay <= 0) return null
  return Math.floor(Math.max(0, leftBytes) / growth.bytesPerDay)
}
