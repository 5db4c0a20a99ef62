/** Decides which packs compaction rewrites, from their counts. Pure. */
import { limits } from '../../core/limits.ts'
import type { DyingPack, PackOccupancy } from '../../metadata/metadata.ts'

/** `background`: packs more than half dead, others more than a quarter dead while the store is
 *  wasteful, and many tiny ones. `now`: every pack more than a twentieth dead too. */
export type CompactionReach = 'background' | 'now'

export interface CompactionPlan {
  /** Packs without any copy that stays alive. */
  remove: PackOccupancy[]
  /** Packs whose live copies are to be rewritten. */
  rewrite: PackOccupancy[]
  /** Pack bytes freed, less the new packs. */
  freedBytes: number
}

/** Plans what to do with these packs once the dying copies are gone, which leaves `liveBytes` in
 *  the store. Tiny packs, in order of age, are merged when enough of them stay alive. */
export function planCompaction(
  packs: Iterable<DyingPack>,
  {
    reach,
    tiny,
    liveBytes,
  }: { reach: CompactionReach; tiny: readonly DyingPack[]; liveBytes: number },
): CompactionPlan {
  const remove: PackOccupancy[] = []
  const choice = createRewriteChoice(reach)
  for (const pack of packs) {
    const after = survivorOf(pack)
    if (after.liveCount > 0) choice.add(after)
    else remove.push(after)
  }
  const merged = planMerge(tiny.map(survivorOf))
  const rewritten = [...choice.choose(liveBytes), ...merged].map((pack) => [pack.id, pack] as const)
  const rewrite = [...new Map(rewritten).values()]
  const freedBytes = sumDeadBytes([...remove, ...rewrite])
  return { remove, rewrite, freedBytes }
}

export interface RewriteChoice {
  /** Considers a pack with live copies. */
  add(pack: PackOccupancy): void
  /** Returns the packs to rewrite because of their dead bytes, oldest first. `liveBytes` are those
   *  of the whole store. */
  choose(liveBytes: number): PackOccupancy[]
}

/** Ignores packs that are at most a twentieth dead. */
export function createRewriteChoice(reach: CompactionReach): RewriteChoice {
  const candidates: { pack: PackOccupancy; deadShare: number }[] = []
  let allDeadBytes = 0
  return {
    add: (pack) => {
      const deadShare = deadBytes(pack) / pack.sizeBytes
      if (deadShare <= 1 / 20) return
      allDeadBytes += deadBytes(pack)
      if (reach === 'now' || deadShare > 1 / 4) candidates.push({ pack, deadShare })
    },
    choose: (liveBytes) => {
      let left = allDeadBytes
      const chosen = candidates
        .sort((a, b) => b.deadShare - a.deadShare)
        .filter(({ pack, deadShare }) => {
          const isWorth = reach === 'now' || deadShare > 1 / 2 || isWasteful(left, liveBytes)
          if (isWorth) left -= deadBytes(pack)
          return isWorth
        })
      return chosen.map(({ pack }) => pack).sort((a, b) => a.id - b.id)
    },
  }
}

/** Whether a store has too many dead bytes for packs to wait until they are half dead. */
export function isWasteful(dead: number, liveBytes: number): boolean {
  return dead * limits.deadPartsMin > liveBytes
}

/** Which of these tiny packs are worth merging: none, until there are enough of them. The caller
 *  bounds how many there are. */
export function planMerge(tiny: readonly PackOccupancy[]): PackOccupancy[] {
  const alive = tiny.filter((pack) => pack.liveCount > 0)
  return alive.length < limits.tinyPacksMin ? [] : alive
}

/** Bytes of the live part of a pack: its live copies and their share of the framing. */
export function aliveBytes({ sizeBytes, ...pack }: PackOccupancy): number {
  if (pack.copyCount === 0) return 0
  const framing = ((sizeBytes - pack.copyBytes) * pack.liveCount) / pack.copyCount
  return Math.round(pack.liveBytes + framing)
}

/** Bytes that end with these packs once their live copies are elsewhere. */
export function sumDeadBytes(packs: readonly PackOccupancy[]): number {
  return packs.reduce((sum, pack) => sum + deadBytes(pack), 0)
}

function deadBytes(pack: PackOccupancy): number {
  return pack.sizeBytes - aliveBytes(pack)
}

/** The pack once its dying copies are gone. */
export function survivorOf({ dyingCount, dyingBytes, ...pack }: DyingPack): PackOccupancy {
  return {
    ...pack,
    liveCount: pack.liveCount - dyingCount,
    liveBytes: pack.liveBytes - dyingBytes,
  }
}
