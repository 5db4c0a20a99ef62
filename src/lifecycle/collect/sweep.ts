/** Deletes what nothing refers to any more: blobs without reference and lease, then packs
 *  without live copies.
 *
 *  Order (invariant 5): references went first, with their artifact. Here: claim the rows, so
 *  that no upload can rely on them; delete the rows of blobs; mark packs without live copies;
 *  delete their files once no reader is left that began before that mark; delete their rows.
 *  Every step can be repeated, and a crash between two of them leaves only what the next sweep
 *  finds again. Each statement touches a bounded batch. */
import { limits } from '../../core/limits.ts'
import type { DeadPack } from '../../metadata/metadata.ts'
import { packsFrom } from '../pages.ts'
import type { LifecyclePorts } from '../ports.ts'

const batchBlobs = 500
/** Steps of clearing per call: 10,000 rows. */
const batchSteps = 200

/** Ends the sessions whose lease ends by `leasedUntil`, because their owner is gone; returns how
 *  many. With Infinity all, except those of offers whose lease is live. */
export async function endSessions(
  { metadata, now }: LifecyclePorts,
  leasedUntil: number,
): Promise<number> {
  let ended = 0
  for (;;) {
    const ids = await metadata.listSessions(leasedUntil, 100, now())
    if (ids.length === 0) return ended
    for (const id of ids) await metadata.abortSession(id)
    ended += ids.length
  }
}

/** Deletes the rows that removed artifacts have given up, which makes their blobs candidates. */
export async function clearRemoved({ metadata, signal }: LifecyclePorts): Promise<void> {
  while (await metadata.clearRemoved(batchSteps)) signal?.throwIfAborted()
}

/** Returns how many blobs were deleted, at most about `blobsMax`. */
export async function sweepBlobs(
  ports: LifecyclePorts,
  {
    blobsMax = Infinity,
    onProgress,
  }: { blobsMax?: number; onProgress?: (removed: number) => void } = {},
): Promise<number> {
  const { metadata, now, checkpoint, signal } = ports
  let removed = 0
  while (removed < blobsMax) {
    signal?.throwIfAborted()
    const blobs = await metadata.claimDeadBlobs(now(), batchBlobs)
    if (blobs.length === 0) break
    await checkpoint?.('blobs-claimed')
    await metadata.removeDeadBlobs(blobs)
    await checkpoint?.('blobs-removed')
    removed += blobs.length
    onProgress?.(removed)
  }
  return removed
}

export interface RemovedPacks {
  /** Names and sizes, in no order. */
  removed: Map<string, number>
  /** Dead packs that stay for now: they may be read, or their grace period lasts. At most
   *  `limits.packsNamedMax` names. */
  waiting: string[]
  waitingBytes: number
  /** Errors of packs that stay although they could have been removed. */
  failures: unknown[]
}

/** One pack that cannot be removed does not stop the others. After so many, the rest usually
 *  cannot be removed either, and each attempt may take long. */
const failuresMax = 10

/** Removes packs without live copies, continuing when a file cannot be removed. `graceMs`: how
 *  long a pack stays at least after its death. */
export async function removeDeadPacks(
  ports: LifecyclePorts,
  graceMs: number,
): Promise<RemovedPacks> {
  const { metadata, now, signal } = ports
  const result: RemovedPacks = { removed: new Map(), waiting: [], waitingBytes: 0, failures: [] }
  const dead = packsFrom({ id: 0 }, ({ id: after }, limit) =>
    metadata.claimDeadPacks(now(), { after, limit }),
  )
  for await (const pack of dead) {
    signal?.throwIfAborted()
    const waits = mustWait(pack, { now: now(), graceMs })
    if (!waits && (await isRemoved(ports, pack, result.failures))) {
      result.removed.set(pack.name, pack.sizeBytes)
      continue
    }
    if (result.waiting.length < limits.packsNamedMax) result.waiting.push(pack.name)
    result.waitingBytes += pack.sizeBytes
    if (result.failures.length === failuresMax) break
  }
  return result
}

/** Removes a claimed pack, or adds to `failures` why its file cannot be removed. */
async function isRemoved(
  { metadata, packs, checkpoint }: LifecyclePorts,
  { name }: DeadPack,
  failures: unknown[],
): Promise<boolean> {
  await checkpoint?.('pack-claimed')
  try {
    await packs.remove(name)
  } catch (error) {
    failures.push(error)
    return false
  }
  await checkpoint?.('pack-removed')
  await metadata.removePackRow(name)
  await checkpoint?.('pack-row-removed')
  return true
}

/** Whether a dead pack stays for now. */
export function mustWait(
  { isRead, diedAt }: DeadPack,
  { now, graceMs }: { now: number; graceMs: number },
): boolean {
  // A clock that was set back leaves deaths in the future, for which nobody waits.
  return isRead || Math.abs(now - diedAt) < graceMs
}
