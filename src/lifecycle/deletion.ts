/** Deleting artifacts on somebody's behalf, and what that frees. */
import type { DyingPack, Metadata } from '../metadata/metadata.ts'
import { aliveBytes } from './compact.ts'

type Measuring = Pick<Metadata, 'measureRemoval'>

/** Pack bytes that come back when these artifacts go together: what they alone hold, as if artifacts that can still be
 *  taken back were gone already. Costs a few look-ups for each of their references. */
export async function measureDeletion(
  metadata: Measuring,
  artifactIds: number[],
  now: number,
): Promise<number> {
  const by = Number.POSITIVE_INFINITY
  return dyingBytesOf(await listDying(metadata, artifactIds, { by, now }))
}

export interface Held {
  bytes: number
  /** Names of packs, in no order. */
  packs: string[]
}

/** What these artifacts hold alone, when those whose removal was final at `by` are taken for gone. */
export async function measureHeld(
  metadata: Measuring,
  artifactIds: number[],
  times: { by: number; now: number },
): Promise<Held> {
  const packs = await listDying(metadata, artifactIds, times)
  return { bytes: dyingBytesOf(packs), packs: packs.map(({ name }) => name) }
}

async function listDying(
  metadata: Measuring,
  artifactIds: number[],
  { by, now }: { by: number; now: number },
): Promise<DyingPack[]> {
  const { packs } = await metadata.measureRemoval({
    artifactIds,
    expiredBy: -1,
    releasableBy: by,
    readersHold: false,
    garbage: false,
    now,
  })
  return packs
}

/** What is dying in these packs, with its share of their framing. */
export function dyingBytesOf(packs: readonly DyingPack[]): number {
  return packs.reduce(
    (sum, { dyingCount, dyingBytes, ...pack }) =>
      sum + aliveBytes({ ...pack, liveCount: dyingCount, liveBytes: dyingBytes }),
    0,
  )
}
