/** Finds the packs that waste space. */
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
