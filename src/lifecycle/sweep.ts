/** Gives back what nothing refers to any more: blobs without reference and lease, then packs without a live copy.
 *
 *  Order (invariant 5): references went first, with their artifact. Here: claim the rows, so that no upload can rely on
 *  them; delete the rows of blobs; mark packs in which nothing is left; remove their bytes once no running download
 *  can still be reading them; delete their rows. Every step can be repeated, and a crash between two of them leaves
 *  only what the next sweep finds again. Each statement touches a bounded batch. */
import type { Metadata } from '../metadata/metadata.ts'
import type { PackStore } from '../packs/pack-store.ts'

export interface LifecyclePorts {
  metadata: Metadata
  packs: PackStore
  now(): number
  /** Named steps, for tests that stop or kill here. */
  checkpoint?: ((name: string) => void | Promise<void>) | undefined
}

export interface SweepResult {
  removedBlobs: number
  removedPacks: number
  freedBytes: number
  /** Bytes of dead packs that wait for downloads to end. */
  waitingBytes: number
}

const batchBlobs = 500
const batchPacks = 100

export interface Sweeper {
  /** One round over everything that is dead now. `graceMs`: how long a pack stays after it was first seen dead. */
  sweep(graceMs: number): Promise<SweepResult>
}

/** Remembers when each pack was first seen dead, so that a grace can pass between two rounds. */
export function createSweeper(ports: LifecyclePorts): Sweeper {
  const deadSince = new Map<string, number>()
  return {
    sweep: async (graceMs) => {
      const removedBlobs = await sweepBlobs(ports)
      const result: SweepResult = { removedBlobs, removedPacks: 0, freedBytes: 0, waitingBytes: 0 }
      const dead = await ports.metadata.claimDeadPacks(batchPacks)
      for (const pack of dead) {
        const since = deadSince.get(pack.name) ?? ports.now()
        deadSince.set(pack.name, since)
        if (ports.now() - since < graceMs) {
          result.waitingBytes += pack.sizeBytes
          continue
        }
        await ports.checkpoint?.('pack-claimed')
        await ports.packs.remove(pack.name)
        await ports.checkpoint?.('pack-removed')
        await ports.metadata.removePackRow(pack.name)
        deadSince.delete(pack.name)
        result.removedPacks += 1
        result.freedBytes += pack.sizeBytes
      }
      return result
    },
  }
}

async function sweepBlobs(ports: LifecyclePorts): Promise<number> {
  let removed = 0
  for (;;) {
    const blobs = await ports.metadata.claimDeadBlobs(ports.now(), batchBlobs)
    if (blobs.length === 0) return removed
    await ports.checkpoint?.('blobs-claimed')
    await ports.metadata.removeDeadBlobs(blobs)
    await ports.checkpoint?.('blobs-removed')
    removed += blobs.length
  }
}
