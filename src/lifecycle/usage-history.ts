/** Records periodically how much is stored, so that pages can chart the growth and forecast when
 *  space runs out. */
import { limits } from '../core/limits.ts'
import type { Log } from '../log.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { ClockWatch } from './clock-watch.ts'
import { type Schedule, startSchedule } from './schedule.ts'

export interface UsageHistoryPorts {
  metadata: Pick<Metadata, 'recordUsage'>
  now(): number
}

/** Records the current figures of the store and of all projects. */
export async function recordUsage({ metadata, now }: UsageHistoryPorts): Promise<void> {
  const at = now()
  let after: number | null = null
  do {
    after = await metadata.recordUsage(at, { after, limit: limits.usageScopesPerStep })
  } while (after !== null)
}

/** Records them now, and often enough that no hour is missed. */
export async function startUsageHistory(
  options: UsageHistoryPorts & { clock: Pick<ClockWatch, 'look'>; log: Log },
): Promise<Schedule> {
  // With a clock that is ahead, all earlier points would be deleted as too old.
  const record = async (): Promise<void> => {
    if (options.clock.look() === null) await recordUsage(options)
  }
  await record()
  return startSchedule({
    name: 'usage history',
    intervalMs: limits.usageRoundMs,
    log: options.log,
    round: record,
  })
}
