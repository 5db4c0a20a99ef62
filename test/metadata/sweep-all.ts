/** Sweeping in tests. */
import type { Metadata } from '../../src/metadata/metadata.ts'

/** Releases all removed artifacts that are not being read at `now`. */
export async function releaseAll(metadata: Metadata, now: number): Promise<void> {
  await metadata.releaseRemoved(now, now, { after: { at: -1, id: 0 }, limit: 1_000 })
}

/** Sweeps until no blob is dead; returns how many were claimed. */
export async function sweepBlobs(metadata: Metadata, now = 3_000): Promise<number> {
  while (await metadata.clearRemoved(100)) continue
  let count = 0
  for (;;) {
    const dead = await metadata.claimDeadBlobs(now, 1_000)
    if (dead.length === 0) return count
    count += dead.length
    await metadata.removeDeadBlobs(dead)
  }
}

/** Claims the packs without live copies; returns their names. */
export async function claimPacks(metadata: Metadata, now = 3_000): Promise<string[]> {
  const packs = await metadata.claimDeadPacks(now, { after: 0, limit: 1_000 })
  return packs.map((pack) => pack.name).toSorted()
}
