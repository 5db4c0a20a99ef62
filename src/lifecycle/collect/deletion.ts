/** Deletion of artifacts on behalf of somebody, and what it frees. */
import type { DyingPack, Metadata, RemovalQuestion } from '../../metadata/metadata.ts'
import { aliveBytes } from './compaction-plan.ts'

type Measuring = Pick<Metadata, 'measureRemoval'>

export interface Deletion {
  /** Pack bytes that only these artifacts hold, counting artifacts that can still be restored as
   *  gone. */
  freedBytes: number
  /** Pack bytes of their contents that other artifacts hold too, and that stay. */
  sharedBytes: number
}

/** What deleting these artifacts together would free. Costs a few lookups per reference. */
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

/** Only the freed bytes, in half the time. */
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

/** What only these artifacts hold, counting artifacts whose removal was final at `by` as gone. */
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
  return { artifactIds, releasableBy: by, readersHold: false, shared: false, now }
}

/** Bytes of the dying copies of these packs, with their share of the framing. */
export function dyingBytesOf(packs: readonly DyingPack[]): number {
  return packs.reduce(
    (sum, { dyingCount, dyingBytes, ...pack }) =>
      sum + aliveBytes({ ...pack, liveCount: dyingCount, liveBytes: dyingBytes }),
    0,
  )
}
