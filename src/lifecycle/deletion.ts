/** Deleting artifacts on somebody's behalf, and what that frees. */
import type { DyingPack, Metadata, RemovalQuestion } from '../metadata/metadata.ts'
import { aliveBytes } from './compact.ts'

type Measuring = Pick<Metadata, 'measureRemoval'>

export interface Deletion {
  /** Pack bytes that come back: what these artifacts alone hold, as if artifacts that can still be taken back were gone. */
  freedBytes: number
  /** Pack bytes of their contents that others hold too, and that stay. */
  sharedBytes: number
}

/** What deleting these artifacts together would come to. Costs a few look-ups for each of their references. */
export async function explainDeletion(
  metadata: Measuring,
  artifactIds: number[],
  now: number,
): Promise<Deletion> {
  const { packs, sharedBytes } = await metadata.measureRemoval({
    ...removalOf(artifactIds, { by: Number.POSITIVE_INFINITY, now }),
    shared: true,
  })
  return { freedBytes: dyingBytesOf(packs), sharedBytes }
}

/** The bytes that it frees alone, in half the time. */
export async function measureDeletion(
  metadata: Measuring,
  artifactIds: number[],
  now: number,
): Promise<number> {
  const by = Number.POSITIVE_INFINITY
  return (await measureHeld(metadata, artifactIds, { by, now })).bytes
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
  const { packs } = await metadata.measureRemoval(removalOf(artifactIds, times))
  return { bytes: dyingBytesOf(packs), packs: packs.map(({ name }) => name) }
}

function removalOf(
  artifactIds: number[],
  { by, now }: { by: number; now: number },
): RemovalQuestion {
  return {
    artifactIds,
    expiredBy: -1,
    releasableBy: by,
    readersHold: false,
    garbage: false,
    shared: false,
    now,
  }
}

/** What is dying in these packs, with its share of their framing. */
export function dyingBytesOf(packs: readonly DyingPack[]): number {
  return packs.reduce(
    (sum, { dyingCount, dyingBytes, ...pack }) =>
      sum + aliveBytes({ ...pack, liveCount: dyingCount, liveBytes: dyingBytes }),
    0,
  )
}
