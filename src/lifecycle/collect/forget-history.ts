/** Deletes the history of what ended long ago, in transactions of a few milliseconds. */
import { limits } from '../../core/limits.ts'
import type { LifecyclePorts } from '../ports.ts'

/** Run records per step, each with pages of logs. */
const recordsPerStep = 10

/** Deletes the history of what ended `historyMs` before `now`, tokens that have ended, and people
 *  who have no tokens any more. What refers to something is deleted before it: acts before
 *  tombstones, both and records before runs. */
export async function forgetHistory(
  { metadata, signal }: Pick<LifecyclePorts, 'metadata' | 'signal'>,
  { now, historyMs }: { now: number; historyMs: number },
): Promise<void> {
  const endedBy = now - historyMs
  const rows = limits.transactionRowsMax
  const repeat = async (step: () => Promise<number>): Promise<void> => {
    while ((await step()) > 0) signal?.throwIfAborted()
  }
  await repeat(async () => await metadata.purgeActs(endedBy, rows))
  await repeat(async () => await metadata.purgeTombstones(endedBy, rows))
  await repeat(async () => await metadata.purgeRunRecords(endedBy, recordsPerStep))
  for (let after: number | null = 0; after !== null;) {
    signal?.throwIfAborted()
    after = await metadata.purgeRuns(endedBy, { after, limit: rows })
  }
  await repeat(async () => await metadata.purgeRevocations(now, rows))
  await repeat(async () => await metadata.purgeTokens(now, rows))
  await repeat(async () => await metadata.purgePeople(now - limits.signInsKeptMs, rows))
}
