/** Days of artifacts as series: what was live at the end of each day, and what uploads had added by then. Artifacts that
 *  were forgotten (tombstones live 90 days) are not in it. */
import { dayMs } from '../core/units.ts'
import type { DayOfArtifacts } from '../metadata/metadata.ts'

export interface UsageHistory {
  /** One for each day, ISO dates, oldest first. */
  labels: string[]
  liveBytes: number[]
  /** Running sum of new bytes, of artifacts that are still known. */
  addedBytes: number[]
  /** Logical bytes uploaded on each day. */
  uploadedBytes: number[]
  /** Mean new bytes of the days since the first upload within the window. */
  addedPerDay: number
  /** Days since that upload. */
  daysSeen: number
}

export function usageHistory(
  days: readonly DayOfArtifacts[],
  { now, length }: { now: number; length: number },
): UsageHistory {
  const today = Math.floor(now / dayMs)
  const first = today - length + 1
  const series = { live: Array<number>(length).fill(0), added: Array<number>(length).fill(0) }
  const uploaded = Array<number>(length).fill(0)
  let firstUpload = today + 1
  let addedInWindow = 0
  for (const day of days) {
    const from = Math.max(0, day.createdDay - first)
    const to = day.endedDay === null ? length : Math.min(length, day.endedDay - first)
    for (let index = from; index < to; index++) series.live[index]! += day.logicalBytes
    for (let index = from; index < length; index++) series.added[index]! += day.newBytes
    if (day.createdDay < first || day.createdDay > today) continue
    uploaded[day.createdDay - first]! += day.logicalBytes
    firstUpload = Math.min(firstUpload, day.createdDay)
    addedInWindow += day.newBytes
  }
  const daysSeen = today - firstUpload + 1
  return {
    labels: uploaded.map((_, index) =>
      new Date((first + index) * dayMs).toISOString().slice(0, 10),
    ),
    liveBytes: series.live,
    addedBytes: series.added,
    uploadedBytes: uploaded,
    addedPerDay: daysSeen > 0 ? Math.round(addedInWindow / daysSeen) : 0,
    daysSeen,
  }
}
