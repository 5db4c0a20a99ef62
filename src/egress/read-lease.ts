/** A reader's claim on what it reads (invariant 2): while it lasts, neither the rows of its artifacts go nor a pack whose
 *  place it may hold. */
import { limits } from '../core/limits.ts'
import type { Metadata } from '../metadata/metadata.ts'

export interface ReadLease {
  /** Ends it; harmless when it has ended. */
  end(): Promise<void>
}

export interface ReadLeasePorts {
  metadata: Pick<Metadata, 'openReadLeases' | 'renewReadLeases' | 'closeReadLeases'>
  now(): number
}

/** Begins to read the artifacts, or with none whatever its holder has a claim on by other means. Must come before the
 *  first place in a pack is asked for. Renewed until it is ended, so whoever holds it sees to it that a reader who takes
 *  nothing for `idleMs` is over. Undefined when one of the artifacts is not live any more. */
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
    // A renewal that fails is made up for by the next one: three fit into a lease.
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

/** Runs `work` under a lease of no artifact: for readers whose blobs are claimed by a session, or that read everything. */
export async function withReadLease<T>(ports: ReadLeasePorts, work: () => Promise<T>): Promise<T> {
  const lease = await openReadLease(ports, [], limits.idleBodyMs)
  try {
    return await work()
  } finally {
    await lease?.end()
  }
}
