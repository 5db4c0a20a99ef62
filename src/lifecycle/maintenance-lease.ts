/** A read lease for maintenance that reads packs: packs that die meanwhile stay until it is
 *  closed. */
import { isRefusedByDisk, storeError } from '../core/errors.ts'
import type { LifecyclePorts } from './ports.ts'

export interface MaintenanceLease {
  readonly id: number
  /** Extends the lease; cheap soon after the last renewal.
   *  Errors: session_ended, when it had ended before; those of opening it. */
  renew(): Promise<void>
  close(): Promise<void>
}

/** Takes a lease that ends `leaseMs` after its last renewal if its holder dies.
 *  Errors: storage_full, when it cannot be written, or cannot be renewed for half of its time: the
 *  collector does not know of it then. */
export async function openMaintenanceLease(
  { metadata, now }: Pick<LifecyclePorts, 'metadata' | 'now'>,
  leaseMs: number,
): Promise<MaintenanceLease> {
  let until = now() + leaseMs
  const { leases } = await metadata.openReadLeases([], now(), leaseMs)
  const id = leases[0]!
  let renewedAt = performance.now()
  /** Compares with the wall clock, as the collector does: a monotonic clock may stand still
   *  while a machine sleeps. */
  const requireLive = (): void => {
    if (now() < until) return
    const reason =
      'reading was interrupted for longer than packs are kept for it; some may have been deleted'
    throw storeError('session_ended', reason, { sessionId: `${id}` })
  }
  return {
    id,
    renew: async () => {
      const at = performance.now()
      if (at - renewedAt >= leaseMs / 4) {
        const next = now() + leaseMs
        try {
          await metadata.renewReadLeases(leases, next)
          // The lease may have ended before this was written.
          requireLive()
          until = next
          renewedAt = at
        } catch (error) {
          // There may be room again before the lease ends.
          if (!isRefusedByDisk(error) || at - renewedAt >= leaseMs / 2) throw error
        }
      }
      requireLive()
    },
    close: async () => {
      await metadata.closeReadLeases(leases)
    },
  }
}
