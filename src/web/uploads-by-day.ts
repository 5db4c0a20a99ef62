/** Logical bytes uploaded on each of the last days, oldest first. Artifacts that were forgotten (tombstones live 90 days)
 *  are not in it. */
import { dayMs } from '../core/units.ts'
import type { DayOfArtifacts } from '../metadata/metadata.ts'

export function uploadsByDay(
  days: readonly DayOfArtifacts[],
  { now, length }: { now: number; length: number },
): number[] {
  const first = Math.floor(now / dayMs) - length + 1
  const uploaded = Array<number>(length).fill(0)
  for (const { createdDay, logicalBytes } of days)
    if (uploaded[createdDay - first] !== undefined) uploaded[createdDay - first]! += logicalBytes
  return uploaded
}
