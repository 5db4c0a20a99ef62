/** Removes packs that this process left without a row: unsealed ones of a thread that died, and
 *  sealed ones, left when registering one failed and its file could not be removed either, or
 *  when a thread ended between the two. A start removes all of them, unless there are too many;
 *  while the store is open they are removed after a grace period.
 *
 *  Clocks jump, and a sealed pack has no row until it is registered. So it is removed only if
 *  two checks find it unknown, with the grace period between them on a monotonic clock. For
 *  unsealed packs it is enough that nobody has written to them for that long: an upload whose
 *  pack is removed by mistake fails, and nothing refers to it. */
import { limits } from '../../core/limits.ts'
import type { LifecyclePorts } from '../ports.ts'

/** Returns a function that checks once and returns how many packs it removed. It leaves alone
 *  sealed packs older than this call: the start has judged them. */
export function createDebrisRemoval(
  { metadata, packs, now }: Pick<LifecyclePorts, 'metadata' | 'packs' | 'now'>,
  elapsedMs: () => number = () => performance.now(),
): (signal?: AbortSignal) => Promise<number> {
  const startedAt = now()
  /** Packs unknown at the last check, and since when. */
  let suspects = new Map<string, number>()
  return async (signal) => {
    const found = new Map<string, number>()
    let removed = 0
    const choose = async (names: string[]): Promise<string[]> => {
      signal?.throwIfAborted()
      return await metadata.unknownPacks(names)
    }
    for await (const { name, modifiedAt } of packs.list(choose)) {
      if (modifiedAt < startedAt) continue
      const since = suspects.get(name) ?? elapsedMs()
      if (elapsedMs() - since < limits.debrisGraceMs) {
        found.set(name, since)
        continue
      }
      await packs.remove(name)
      removed += 1
    }
    suspects = found
    return removed + (await packs.removeUnsealed(now() - limits.debrisGraceMs))
  }
}
