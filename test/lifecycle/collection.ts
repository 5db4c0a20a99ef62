/** Maintenance of a test's store, with a clock of its own. */
import { limits } from '../../src/core/limits.ts'
import {
  collect,
  type Collection,
  type CollectOptions,
  planCollection,
} from '../../src/lifecycle/collect/collect.ts'
import type { LifecyclePorts } from '../../src/lifecycle/ports.ts'
import { scrub, type ScrubOptions, type ScrubReport } from '../../src/lifecycle/scrub/scrub.ts'

export const hour = 60 * 60 * 1000
export const day = 24 * hour

/** `gc --now`. */
export async function collectNow(
  ports: LifecyclePorts,
  options: Partial<CollectOptions> = {},
): Promise<Collection> {
  return await collect(ports, {
    reach: 'now',
    compactBytesPerSecond: null,
    hasRoom: async () => true,
    historyMs: limits.historyMs,
    believedNow: ports.now,
    ...options,
  })
}

/** `gc --now --dry-run`. */
export async function planNow(ports: LifecyclePorts): Promise<Collection> {
  return await planCollection(ports, { reach: 'now' })
}

/** A scheduled round. */
export async function collectInBackground(
  ports: LifecyclePorts,
  options: Partial<CollectOptions> = {},
): Promise<Collection> {
  return await collectNow(ports, { reach: 'background', ...options })
}

/** Reads every pack, however lately it was read, and counts the rollups again. */
export async function scrubNow(
  ports: LifecyclePorts,
  options: Partial<ScrubOptions> = {},
): Promise<ScrubReport> {
  const everything = { olderThanMs: null, bytesPerSecond: null, rollups: true }
  return await scrub(ports, { ...everything, ...options })
}
