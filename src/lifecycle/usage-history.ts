/** Writes down, all along, what is stored, so that pages can show how it grew and say when the room ends. */
import { limits } from '../core/limits.ts'
import type { Log } from '../log.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { ClockWatch } from './clock-watch.ts'
import { type Schedule, startSchedule } from './schedule.ts'

export interface UsageHistoryPorts {
  metadata: Pick<Metadata, 'recordUsage'>
  now(): number
}

/** Notes the present figures of the store and of all projects. */
export async function recordUsage({ metadata, now }: UsageHistoryPorts): Promise<void> {
  const at = now()
  let after: number | null = null
  do {
    after = await metadata.recordUsage(at, { after, limit: limits.usageScopesPerStep })
  } while (after !== null)
}

/** Notes them now, and often enough that no hour is missed. */
export async function startUsageHistory(
  options: UsageHistoryPorts & { clock: Pick<ClockWatch, 'look'>; log: Log },
): Promise<Schedule> {
  // By a clock that is ahead all that was noted would be forgotten.
  const record = async (): Promise<void> => {
    if (options.clock.look() === null) await recordUsage(options)
  }
  await record()
  return startSchedule({
    name: 'usage history',
    intervalMs: limits.usageRoundMs,
    log: options.log,
    round: async () => {
      await record()
      return {}
    },
  })
}
