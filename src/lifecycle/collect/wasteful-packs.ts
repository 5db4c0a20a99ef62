/** Finds the packs that waste space. */
import { limits } from '../../core/limits.ts'
import type { PackOccupancy } from '../../metadata/metadata.ts'
import { type CompactionReach, createRewriteChoice, isWasteful } from './compaction-plan.ts'
import { packsFrom } from '../pages.ts'
import type { LifecyclePorts } from '../ports.ts'

export function listWasteful(
  { metadata }: LifecyclePorts,
  waste: 'partlyDead' | 'halfDead' | 'tiny',
): AsyncGenerator<PackOccupancy, void, undefined> {
  return packsFrom({ id: 0 }, ({ id: after }, limit) =>
    metadata.listWastefulPacks(waste, { after, limit }),
  )
}

/** The tiny packs that one round merges, oldest first, if they are enough: bounded in the copies
 *  that stay alive, `aliveIn` a pack, and in packs that have any. Later rounds take the rest. */
export async function* tinyPacks(
  ports: LifecyclePorts,
  aliveIn: (pack: PackOccupancy) => number,
): AsyncGenerator<PackOccupancy, void, undefined> {
  let packs = 0
  let copies = 0
  for await (const pack of listWasteful(ports, 'tiny')) {
    const alive = aliveIn(pack)
    if (alive > 0) packs += 1
    copies += alive
    yield pack
    if (packs === limits.tinyPacksMax) return
    if (packs >= limits.tinyPacksMin && copies >= limits.tinyCopiesMax) return
  }
}

/** The packs to rewrite because of their dead bytes. */
export async function packsToRewrite(
  ports: LifecyclePorts,
  reach: CompactionReach,
): Promise<PackOccupancy[]> {
  const { storedBytes, liveBytes } = await ports.metadata.figures()
  // Most rounds need not list every pack in which something has died.
  const takesMore = reach === 'now' || isWasteful(storedBytes - liveBytes, liveBytes)
  const choice = createRewriteChoice(reach)
  for await (const pack of listWasteful(ports, takesMore ? 'partlyDead' : 'halfDead'))
    choice.add(pack)
  return choice.choose(liveBytes)
}
