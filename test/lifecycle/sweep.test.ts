/** The bounds of a sweep, and that it can be stopped between two steps. */
import { expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { expire, releaseRemoved } from '../../src/lifecycle/collect/expire.ts'
import { clearRemoved, removeDeadPacks, sweepBlobs } from '../../src/lifecycle/collect/sweep.ts'
import type { LifecyclePorts } from '../../src/lifecycle/ports.ts'
import type { DeadPack, Metadata } from '../../src/metadata/metadata.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'

/** Metadata with that many dead packs of one byte each. */
function withDeadPacks(count: number, isRead: boolean): Partial<Metadata> {
  const dead: DeadPack[] = Array.from({ length: count }, (_, index) => {
    return { id: index + 1, name: `pack ${index + 1}`, sizeBytes: 1, diedAt: 0, isRead }
  })
  return {
    claimDeadPacks: async (_, { after, limit }) =>
      dead.filter(({ id }) => id > after).slice(0, limit),
  }
}

function portsOf(metadata: Partial<Metadata>, more: Partial<LifecyclePorts>): LifecyclePorts {
  const ports = { metadata, now: () => 1, ...more }
  return ports as LifecyclePorts
}

test('of many packs that wait, so many are named, and all count', async () => {
  const count = limits.packsNamedMax + 5
  const waiting = await removeDeadPacks(portsOf(withDeadPacks(count, true), {}), 0)
  expect(waiting.waiting).toHaveLength(limits.packsNamedMax)
  expect(waiting.waitingBytes).toBe(count)
})

test('after ten packs that cannot be removed the others are left alone', async () => {
  let attempts = 0
  const remove = async (): Promise<never> => {
    attempts += 1
    throw new Error('operation not permitted')
  }
  const packs = { remove } as Partial<PackStore> as PackStore
  const { failures } = await removeDeadPacks(portsOf(withDeadPacks(20, false), { packs }), 0)
  expect([attempts, failures.length]).toEqual([10, 10])
})

const nothing = (): void => {}

test.each<[string, (ports: LifecyclePorts) => Promise<unknown>]>([
  ['expiry', async (ports) => await expire(ports, nothing)],
  ['the release of what was removed', async (ports) => await releaseRemoved(ports, 1, nothing)],
  ['the deletion of what was given up', clearRemoved],
  ['a sweep', async (ports) => await sweepBlobs(ports)],
  ['the removal of packs', async (ports) => await removeDeadPacks(ports, 0)],
])('%s can be stopped', async (_, work) => {
  const stopped = new Error('the server stops')
  let cleared = 0
  const goesOn = async (): Promise<never> => {
    throw new Error('it goes on')
  }
  const metadata: Partial<Metadata> = {
    ...withDeadPacks(1, false),
    expireArtifacts: goesOn,
    releaseRemoved: goesOn,
    clearRemoved: async () => (cleared++ === 0 ? true : await goesOn()),
    claimDeadBlobs: goesOn,
  }
  const packs = { remove: goesOn } as Partial<PackStore> as PackStore
  const ports = portsOf(metadata, { packs, signal: AbortSignal.abort(stopped) })
  await expect(work(ports)).rejects.toBe(stopped)
})
