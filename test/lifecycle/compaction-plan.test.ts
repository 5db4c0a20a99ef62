/** Which packs are rewritten because of their dead bytes. */
import { expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import {
  type CompactionReach,
  createRewriteChoice,
} from '../../src/lifecycle/collect/compaction-plan.ts'
import { tinyPacks } from '../../src/lifecycle/collect/wasteful-packs.ts'
import type { LifecyclePorts } from '../../src/lifecycle/ports.ts'
import type { PackOccupancy } from '../../src/metadata/metadata.ts'
import { collectInBackground } from './collection.ts'
import { openStore } from '../ingest/open-store.ts'
import { pseudoRandom } from '../client/tree.ts'

/** Ids of the packs that are chosen; `deadPercents` are those of packs of 1,000 bytes with ids from
 *  0. */
function chosen(
  reach: CompactionReach,
  deadPercents: readonly number[],
  liveBytes: number,
): number[] {
  const choice = createRewriteChoice(reach)
  for (const [id, percent] of deadPercents.entries()) {
    const live = 1000 - percent * 10
    choice.add({
      id,
      name: `pack ${id}`,
      sizeBytes: 1000,
      copyCount: 1000,
      copyBytes: 1000,
      liveCount: live,
      liveBytes: live,
    })
  }
  return choice.choose(liveBytes).map(({ id }) => id)
}

test('in the background, packs more than half dead are rewritten, however little they waste', () => {
  expect(chosen('background', [51, 50, 30], 1e6)).toEqual([0])
})

test('in the background, the most dead of the others follow until little is wasted', () => {
  const dead = [30, 45, 25, 40, 35]
  expect(chosen('background', dead, 8 * 1749)).toEqual([1])
  expect(chosen('background', dead, 8 * 900)).toEqual([1, 3])
  expect(chosen('background', dead, 800)).toEqual([0, 1, 3, 4])
})

test('on request, all packs more than a twentieth dead are rewritten', () => {
  expect(chosen('now', [5, 6, 30, 60], 1e6)).toEqual([1, 2, 3])
})

test('a scheduled round rewrites a pack that is a third dead, unless the store has much else', async () => {
  const store = await openStore()
  const put = async (name: string, members: string[]): Promise<number> => {
    const entries = members.map((member) => [member, pseudoRandom(50_000, member)])
    return await store.putTar(name, Object.fromEntries(entries))
  }
  const collectWithout = async (id: number): Promise<number> => {
    const removal = { state: 'deleted', reason: 'deleted', now: store.ports.now() } as const
    await store.metadata.removeArtifacts([id], removal)
    return (await collectInBackground(store.ports)).rewrittenPacks
  }
  const first = await put('first', ['a', 'b', 'c'])
  await put('second', ['a', 'b'])
  expect(await collectWithout(first)).toBe(1)
  await put('much', ['d', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p'])
  const third = await put('third', ['q', 'r', 's'])
  await put('fourth', ['q', 'r'])
  expect(await collectWithout(third)).toBe(0)
})

/** Ids of the tiny packs that one round takes, of packs with so many live copies each. */
async function merged(
  liveCounts: readonly number[],
  gone: readonly number[] = [],
): Promise<number[]> {
  const packs = liveCounts.map((liveCount, at) => ({ id: at + 1, liveCount }) as PackOccupancy)
  const listWastefulPacks = async (
    _waste: string,
    { after, limit }: { after: number; limit: number },
  ): Promise<PackOccupancy[]> => await Promise.resolve(packs.slice(after, after + limit))
  const ports = { metadata: { listWastefulPacks } } as unknown as LifecyclePorts
  const aliveIn = ({ id, liveCount }: PackOccupancy): number => (gone.includes(id) ? 0 : liveCount)
  const ids: number[] = []
  for await (const { id } of tinyPacks(ports, aliveIn)) ids.push(id)
  return ids
}

test('a round takes tiny packs until they hold enough copies, but enough packs to merge', async () => {
  const half = limits.tinyCopiesMax / 2
  const least = limits.tinyPacksMin
  expect(await merged(Array(least + 5).fill(half))).toHaveLength(least)
  expect(await merged([...Array(least).fill(1), half, half, half])).toHaveLength(least + 2)
  const most = limits.tinyPacksMax
  expect(await merged(Array(most + 5).fill(1))).toHaveLength(most)
  // What is about to die is not merged.
  expect(await merged(Array(most + 5).fill(1), [1, 2])).toHaveLength(most + 2)
})
