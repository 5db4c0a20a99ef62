/** Sweeping in tests, in one place. */
import type { Metadata } from '../../src/metadata/metadata.ts'

/** Sweeps until no blob is dead; answers how many were claimed. */
export async function sweepBlobs(metadata: Metadata, now = 3_000): Promise<number> {
  let count = 0
  for (;;) {
    const dead = await metadata.claimDeadBlobs(now, 1_000)
    if (dead.length === 0) return count
    count += dead.length
    await metadata.removeDeadBlobs(dead)
  }
}

/** Claims the packs in which nothing is alive; answers their names. */
export async function claimPacks(metadata: Metadata, now = 3_000): Promise<string[]> {
  const packs = await metadata.claimDeadPacks(now, { after: 0, limit: 1_000 })
  return packs.map((pack) => pack.name).toSorted()
}
