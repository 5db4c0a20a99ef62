/** The lease of maintenance that reads packs: what dies meanwhile stays until it is closed. */
import { storeError } from '../core/errors.ts'
import type { LifecyclePorts } from './ports.ts'

export interface ReadingLease {
  readonly id: number
  /** Holds on; cheap when it was done a moment ago. */
  renew(): Promise<void>
  close(): Promise<void>
}

/** Takes a lease that ends `leaseMs` after its last renewal, should its holder die.
 *  Errors: storage_full, when it cannot be written: garbage collection runs in another thread, which would not know it. */
export async function openReadingLease(
  { metadata, now }: Pick<LifecyclePorts, 'metadata' | 'now'>,
  leaseMs: number,
): Promise<ReadingLease> {
  const { leases } = await metadata.openReadLeases([], now(), leaseMs)
  const id = leases[0]!
  if (id < 0) {
    await metadata.closeReadLeases(leases)
    const reason = 'the disk of the metadata takes nothing: it is full, or has failed'
    throw storeError('storage_full', reason, { neededBytes: null })
  }
  let renewedAt = performance.now()
  return {
    id,
    renew: async () => {
      if (performance.now() - renewedAt < leaseMs / 4) return
      renewedAt = performance.now()
      await metadata.renewReadLeases(leases, now() + leaseMs)
    },
    close: async () => {
      await metadata.closeReadLeases(leases)
    },
  }
}
