/** A reader's lease on what it reads (invariant 2): while it lasts, neither the rows of its
 *  artifacts nor the packs that it may know places in are deleted. */
import { limits } from '../core/limits.ts'
import type { Metadata } from '../metadata/metadata.ts'

export interface ReadLease {
  /** Ends the lease; a no-op when it has ended. */
  end(): Promise<void>
}

export interface ReadLeasePorts {
  metadata: Pick<Metadata, 'openReadLeases' | 'renewReadLeases' | 'closeReadLeases'>
  now(): number
}

/** Opens a lease on the artifacts; with none, for a reader that holds its blobs by other means.
 *  Must be called before the first place in a pack is looked up. The lease is renewed until it is
 *  ended, so the holder must end it when a reader makes no progress for `idleMs`. Returns undefined
 *  when one of the artifacts is no longer live. */
export async function openReadLease(
  { metadata, now }: ReadLeasePorts,
  artifactIds: readonly number[],
  idleMs: number,
): Promise<ReadLease | undefined> {
  const leaseMs = idleMs + limits.readLeaseSlackMs
  const { leases, gone } = await metadata.openReadLeases([...artifactIds], now(), leaseMs)
  if (gone.length > 0) return undefined
  let ending: Promise<void> | undefined
  const timer = setInterval(() => {
    // The next renewal makes up for a failed one: three fit into a lease.
    metadata.renewReadLeases(leases, now() + leaseMs).catch(() => undefined)
  }, leaseMs / 3)
  timer.unref()
  return {
    end: async () => {
      clearInterval(timer)
      ending ??= metadata.closeReadLeases(leases)
      await ending
    },
  }
}

/** Runs `work` under a lease without artifacts: for readers whose blobs a session leases, or that
 *  read the whole store. */
export async function withReadLease<T>(ports: ReadLeasePorts, work: () => Promise<T>): Promise<T> {
  const lease = await openReadLease(ports, [], limits.idleBodyMs)
  try {
    return await work()
  } finally {
    await lease?.end()
  }
}
