/** Collects garbage in a test's store, with a clock of its own. */
import { limits } from '../../src/core/limits.ts'
import {
  collect,
  type Collection,
  type CollectOptions,
  planCollection,
} from '../../src/lifecycle/collect/collect.ts'
import type { LifecyclePorts } from '../../src/lifecycle/ports.ts'

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
