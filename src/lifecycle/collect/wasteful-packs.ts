/** Finds the packs that waste space. */
import type { PackOccupancy } from '../../metadata/metadata.ts'
import { type CompactionReach, createRewriteChoice, isWasteful } from './compaction-plan.ts'
import type { LifecyclePorts } from '../ports.ts'

const packsPerPage = 200

export async function* listWasteful(
  { metadata }: LifecyclePorts,
  waste: 'partlyDead' | 'halfDead' | 'tiny',
): AsyncGenerator<PackOccupancy> {
  for (let after = 0; ;) {
    const page = await metadata.listWastefulPacks(waste, { after, limit: packsPerPage })
    yield* page
    if (page.length < packsPerPage) return
    after = page.at(-1)!.id
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
