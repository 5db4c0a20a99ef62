/** Deleting artifacts on somebody's behalf, and what that frees. */
import type { Metadata } from '../metadata/metadata.ts'
import { aliveBytes } from './compact.ts'

/** Pack bytes that come back when these artifacts go together: what they alone hold, as if artifacts that can still be
 *  taken back were gone already. Costs a few look-ups for each of their references. */
export async function measureDeletion(
  metadata: Pick<Metadata, 'measureRemoval'>,
  artifactIds: number[],
  now: number,
): Promise<number> {
  const { packs } = await metadata.measureRemoval({
    artifactIds,
    expiredBy: -1,
    releasableBy: Number.POSITIVE_INFINITY,
    readersHold: false,
    garbage: false,
    now,
  })
  return packs.reduce(
    (sum, { dyingCount, dyingBytes, ...pack }) =>
      sum + aliveBytes({ ...pack, liveCount: dyingCount, liveBytes: dyingBytes }),
    0,
  )
}
