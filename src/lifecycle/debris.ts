/** Packs that this process has left without a row: unsealed ones of a thread that died, and sealed ones, as when registering
 *  one failed and its file could not be removed either, or a thread ended between the two. A start takes all of them, unless
 *  they are too many for it; while the store is open they go after a grace.
 *
 *  Clocks jump, and a sealed pack has no row while it waits to be registered. So it goes only when two looks find it unknown,
 *  with the grace between them by a clock that cannot jump. Of unsealed packs it is enough that nobody has written to them for
 *  that long: an upload whose pack goes by mistake fails, and nothing refers to it. */
import { limits } from '../core/limits.ts'
import type { LifecyclePorts } from './ports.ts'

/** Answers a function that looks once and answers how many packs it removed. Sealed packs that are older than this call are
 *  left alone: the start has judged them. */
export function createDebrisRemoval(
  { metadata, packs, now }: Pick<LifecyclePorts, 'metadata' | 'packs' | 'now'>,
  elapsedMs: () => number = () => performance.now(),
): (signal?: AbortSignal) => Promise<number> {
  const startedAt = now()
  /** Unknown at the last look, and since when. */
  let suspects = new Map<string, number>()
  return async (signal) => {
    const found = new Map<string, number>()
    let removed = 0
    for await (const { name, modifiedAt } of packs.list()) {
      signal?.throwIfAborted()
      if (modifiedAt < startedAt || (await metadata.hasPack(name))) continue
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
