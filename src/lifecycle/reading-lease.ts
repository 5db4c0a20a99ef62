/** The lease of maintenance that reads packs: what dies meanwhile stays until it is closed. */
import type { LifecyclePorts } from './ports.ts'

export interface ReadingLease {
  readonly id: number
  /** Holds on; cheap when it was done a moment ago. */
  renew(): Promise<void>
  close(): Promise<void>
}

/** Takes a lease that ends `leaseMs` after its last renewal, should its holder die. */
export async function openReadingLease(
  { metadata, now }: Pick<LifecyclePorts, 'metadata' | 'now'>,
  leaseMs: number,
): Promise<ReadingLease> {
  const { leases } = await metadata.openReadLeases([], now(), leaseMs)
  let renewedAt = performance.now()
  return {
    id: leases[0]!,
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
