/** Logical bytes uploaded on each of the last days, oldest first. Artifacts dropped from the
 *  history (limits.historyMs) are not counted. */
import { dayMs } from '../../core/units.ts'
import type { DayOfUploads } from '../../metadata/metadata.ts'

export function uploadsByDay(
  days: readonly DayOfUploads[],
  { now, length }: { now: number; length: number },
): number[] {
  const first = Math.floor(now / dayMs) - length + 1
  const uploaded = Array<number>(length).fill(0)
  for (const { day, logicalBytes } of days)
    if (uploaded[day - first] !== undefined) uploaded[day - first] = logicalBytes
  return uploaded
}
