/** The lease of maintenance that reads packs: what dies meanwhile stays until it is closed. */
import { hasCode } from '../core/errors.ts'
import type { LifecyclePorts } from './ports.ts'

export interface ReadingLease {
  readonly id: number
  /** Holds on; cheap when it was done a moment ago. */
  renew(): Promise<void>
  close(): Promise<void>
}

/** Takes a lease that ends `leaseMs` after its last renewal, should its holder die.
 *  Errors: storage_full, when it cannot be written, nor be renewed for half of its time: the collector does not know of it then. */
export async function openReadingLease(
  { metadata, now }: Pick<LifecyclePorts, 'metadata' | 'now'>,
  leaseMs: number,
): Promise<ReadingLease> {
  const { leases } = await metadata.openReadLeases([], now(), leaseMs)
  let renewedAt = performance.now()
  return {
    id: leases[0]!,
    renew: async () => {
      const at = performance.now()
      if (at - renewedAt < leaseMs / 4) return
      try {
        await metadata.renewReadLeases(leases, now() + leaseMs)
        renewedAt = at
      } catch (error) {
        // There may be room again before it ends.
        if (!hasCode(error, 'storage_full') || at - renewedAt >= leaseMs / 2) throw error
      }
    },
    close: async () => {
      await metadata.closeReadLeases(leases)
    },
  }
}
