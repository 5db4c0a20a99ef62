/** Rounds of a running store whose clock jumps, or that fail, in the middle. */
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { openStaging } from '../../src/ingest/staging/staging.ts'
import { startClockWatch } from '../../src/lifecycle/clock-watch.ts'
import { openDiskSpace } from '../../src/lifecycle/disk-space.ts'
import { type Maintenance, startMaintenance } from '../../src/lifecycle/maintenance.ts'
import { createLog } from '../../src/log.ts'
import { openStore, type TestStore } from '../ingest/open-store.ts'
import { day, hour } from './collection.ts'

const log = createLog('error', () => {})

interface Running {
  maintenance: Maintenance
  /** Sets the wall clock ahead. */
  jump(ms: number): void
  /** Lets the next scheduled round begin, and resolves when it is over. */
  round(): Promise<void>
}

async function startOn(
  store: TestStore,
  {
    requirePacks = async () => {},
    minFreeBytes = 0,
  }: { requirePacks?: () => Promise<void>; minFreeBytes?: number } = {},
): Promise<Running> {
  const { directory, metadata, packs } = store
  let wall = store.ports.now()
  const now = (): number => wall
  const clock = await startClockWatch({ metadata, log, now, elapsedMs: () => 0 })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const maintenance = startMaintenance({
    ports: {
      metadata,
      packs,
      staging: await openStaging(join(directory, 'uploads'), { uploadBytesMax: 2 ** 30 }),
      now,
    },
    space: await openDiskSpace({ directory, minFreeBytes }),
    requirePacks,
    clock,
    log,
    intervalMs: hour,
    compactBytesPerSecond: null,
    historyMs: limits.historyMs,
    plan: async () => await Promise.reject(new Error('nobody plans')),
  })
  onTestFinished(async () => {
    vi.useRealTimers()
    await maintenance.close()
    await clock.stop()
  })
  return {
    maintenance,
    jump: (ms) => {
      wall += ms
    },
    round: async () => {
      await vi.advanceTimersByTimeAsync(1.1 * hour)
      await maintenance.jobs.idle()
    },
  }
}

// Goal: a round is long, and may wait for another one. The time by which it deletes is doubted as
// carefully at its end as before its beginning.
test('a clock that jumps after a scheduled round has begun expires nothing', async () => {
  const store = await openStore()
  const { artifact } = await store.put('build', 'file', Buffer.from('content'))
  const { maintenance, jump, round } = await startOn(store, {
    requirePacks: async () => {
      jump(400 * day)
    },
  })
  await round()
  expect(maintenance.jobs.list()).toMatchObject([{ state: 'done', progress: { expired: 0 } }])
  expect(await store.metadata.findArtifact(artifact.id)).toMatchObject({ removedAt: null })
})

// Goal: a pack that its disk does not delete keeps no space but its own.
test('a round that fails because of a stuck pack makes the reserve again', async () => {
  const store = await openStore()
  const { artifact } = await store.put('build', 'file', Buffer.from('content'))
  const { metadata, packs } = store
  await metadata.removeArtifacts([artifact.id], { state: 'deleted', reason: 'deleted', now: 0 })
  const remove = vi.spyOn(packs, 'remove')
  remove.mockRejectedValue(new Error('the file is immutable'))
  const { maintenance } = await startOn(store, { minFreeBytes: 4 * 1024 * 1024 })
  const reserve = join(store.directory, 'reserve')
  const { size } = await stat(reserve)
  await rm(reserve)
  const { id } = maintenance.collect({ reach: 'now', dryRun: false })
  expect(await maintenance.jobs.ended(id)).toMatchObject({ state: 'failed' })
  expect(remove).toHaveBeenCalled()
  expect(await stat(reserve)).toMatchObject({ size })
})
