/** Clocks that jump, while the server runs and between two starts. The test controls both
 *  clocks. */
import { Readable } from 'node:stream'
import { expect, onTestFinished, test, vi } from 'vitest'
import { storeError } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { openDiskSpace } from '../../src/lifecycle/disk-space.ts'
import { type ClockWatch, startClockWatch } from '../../src/lifecycle/clock-watch.ts'
import { startMaintenance } from '../../src/lifecycle/maintenance.ts'
import { startUsageHistory } from '../../src/lifecycle/usage-history.ts'
import { createLog } from '../../src/log.ts'
import { openStaging } from '../../src/ingest/staging/staging.ts'
import { openStore } from '../ingest/open-store.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const year = 365 * day

interface Machine {
  /** What the store keeps between starts. */
  stored: number | null
  /** Lets time pass on both clocks. */
  pass(ms: number): void
  /** Sets the wall clock. */
  jump(ms: number): void
  start(): Promise<ClockWatch>
  now(): number
  lines: { level: string; message: string }[]
  isFull: boolean
}

function machine(): Machine {
  let wall = 1_800_000_000_000
  let elapsed = 5
  const made: Machine = {
    stored: null,
    isFull: false,
    lines: [],
    now: () => Math.trunc(wall),
    pass: (ms) => {
      wall += ms
      elapsed += ms
    },
    jump: (ms) => {
      wall += ms
    },
    start: async () => {
      const watch = await startClockWatch({
        metadata: {
          believedTime: async () => made.stored,
          noteBelievedTime: async (at) => {
            if (made.isFull) throw storeError('storage_full', 'full', { neededBytes: null })
            made.stored = at
          },
        },
        log: createLog('info', (line) => made.lines.push(JSON.parse(line))),
        now: () => Math.trunc(wall),
        elapsedMs: () => elapsed,
      })
      onTestFinished(() => watch.stop())
      return watch
    },
  }
  return made
}

/** How long the watch keeps doubting from now on, checked every minute. */
function doubtMs(watch: ClockWatch, { pass }: Machine): number {
  for (let waited = 0; ; waited += minute) {
    if (watch.look() === null) return waited
    expect(waited).toBeLessThanOrEqual(limits.clockWaitMsMax)
    pass(minute)
  }
}

test('a clock that keeps pace with time is believed, however rarely it is checked', async () => {
  const host = machine()
  const watch = await host.start()
  for (const ms of [1, hour, 30 * day]) {
    host.pass(ms)
    host.jump(minute / 2)
    expect(watch.look()).toBe(null)
  }
  expect(host.lines).toEqual([])
})

test.each([
  ['ten minutes', 10 * minute, 10 * minute, 'info'],
  ['an hour', hour, hour, 'warn'],
  ['a night', 12 * hour, hour, 'warn'],
  ['a week', 7 * day, 7 * hour, 'warn'],
  ['twenty years', 20 * year, 12 * hour, 'warn'],
])('a jump of %s ahead is believed after a bounded time', async (_name, ms, waitMs, level) => {
  const host = machine()
  const watch = await host.start()
  host.pass(hour)
  host.jump(ms)
  expect(watch.look()).toEqual({ aheadMs: ms, waitMs })
  expect(doubtMs(watch, host)).toBe(waitMs)
  expect(watch.look()).toBe(null)
  expect(host.lines).toMatchObject([
    { level, message: expect.stringContaining('ahead'), waitSeconds: waitMs / 1000 },
    { level: 'info', message: 'the clock is trusted again' },
  ])
})

test('a clock that returns to the expected time is believed at once, and one set back ends nothing', async () => {
  const host = machine()
  const watch = await host.start()
  host.jump(20 * year)
  expect(watch.look()).not.toBe(null)
  host.pass(2 * minute)
  host.jump(-20 * year)
  expect(watch.look()).toBe(null)
  host.jump(-30 * year)
  expect(watch.look()).toBe(null)
  // Corrected, as after a boot without a battery: no reason to wait.
  host.jump(30 * year)
  expect(watch.look()).toBe(null)
})

test('retention counts from the time known to have passed while the clock is behind', async () => {
  const host = machine()
  host.stored = host.now()
  host.jump(-200 * day)
  const watch = await host.start()
  // Only the monotonic clock shows fractions of a millisecond.
  host.pass(hour + 0.4)
  expect(watch.retentionFrom()).toBe(host.stored + hour)
  host.jump(200 * day)
  expect(watch.retentionFrom()).toBe(host.now())
  // Ahead: something is kept too long rather than not long enough.
  host.jump(200 * day)
  expect(watch.retentionFrom()).toBe(host.now())
  // Somebody corrected a clock that was believed: after a bounded time it counts.
  host.jump(-400 * day)
  expect(watch.retentionFrom()).toBeGreaterThan(host.now())
  host.pass(limits.clockWaitMsMax)
  expect(watch.retentionFrom()).toBe(host.now())
})

test('a second jump restarts the wait', async () => {
  const host = machine()
  const watch = await host.start()
  host.jump(hour)
  expect(watch.look()).not.toBe(null)
  host.pass(hour - minute)
  host.jump(2 * hour)
  expect(doubtMs(watch, host)).toBe(hour)
})

test('a clock that was set back is believed after a while', async () => {
  const host = machine()
  const watch = await host.start()
  host.jump(-20 * year)
  expect(watch.look()).toBe(null)
  host.pass(12 * hour)
  expect(watch.look()).toBe(null)
  host.jump(year)
  expect(watch.look()).toMatchObject({ aheadMs: year })
  expect(host.lines).toMatchObject([
    { level: 'warn', message: 'the clock was set back', seconds: (20 * year) / 1000 },
    { level: 'info', message: 'the clock is trusted again' },
    { level: 'warn', message: expect.stringContaining('ahead') },
  ])
})

test('a start compares the clock with the last believed time, and a quick restart does not wait', async () => {
  const host = machine()
  const first = await host.start()
  host.pass(hour)
  await first.stop()
  host.pass(minute)
  expect((await host.start()).look()).toBe(null)
  host.jump(20 * year)
  const wrong = await host.start()
  expect(wrong.look()).toMatchObject({ waitMs: 12 * hour })
  host.pass(hour)
  await wrong.stop()
  // A time that was not believed is not what the next start compares with. The hour did pass.
  expect((await host.start()).look()).toMatchObject({ aheadMs: 20 * year })
})

test('a clock that was corrected after hours of doubt, while the server was down, is believed at once', async () => {
  const host = machine()
  const wrong = await host.start()
  host.jump(20 * year)
  host.pass(5 * hour)
  expect(wrong.look()).toMatchObject({ aheadMs: 20 * year })
  await wrong.stop()
  host.jump(-20 * year)
  expect((await host.start()).look()).toBe(null)
})

test('the time known to have passed is stored again and again, so a start after a kill knows it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const host = machine()
  await host.start()
  for (let look = 0; look < 2; look++) {
    host.pass(1.1 * limits.clockLookMs)
    await vi.advanceTimersByTimeAsync(1.1 * limits.clockLookMs)
    expect(host.stored).toBe(host.now())
  }
})

test('a full disk does not prevent checks', async () => {
  const host = machine()
  host.isFull = true
  const watch = await host.start()
  expect(watch.look()).toBe(null)
  await watch.stop()
})

test('while the clock is doubted no scheduled round expires, deletes or records anything, and a requested one only expires', async () => {
  const store = await openStore()
  const { artifact } = await store.put('build', 'file', Readable.from([Buffer.from('content')]))
  const host = machine()
  host.jump(artifact.createdAt - host.now())
  const watch = await host.start()
  host.jump(20 * year)
  const { metadata, packs } = store
  const revoked = {
    id: 'revoked',
    project: null,
    holder: null,
    isSession: false,
    issuedAt: host.now(),
  }
  await metadata.revokeToken({ ...revoked, endsAt: artifact.createdAt + hour })
  const log = createLog('error', () => {})
  const space = await openDiskSpace({ directory: store.directory, minFreeBytes: 0 })
  const staging = await openStaging(`${store.directory}/uploads`, { uploadBytesMax: 2 ** 30 })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const maintenance = startMaintenance({
    ports: { metadata, packs, staging, now: host.now },
    space,
    requirePacks: async () => {},
    clock: watch,
    log,
    intervalMs: hour,
    compactBytesPerSecond: null,
    historyMs: limits.historyMs,
    plan: async () => await Promise.reject(new Error('nobody plans')),
  })
  const history = await startUsageHistory({ metadata, now: host.now, clock: watch, log })
  onTestFinished(async () => {
    await history.stop()
    await maintenance.close()
  })
  await vi.advanceTimersByTimeAsync(2.5 * hour)
  await maintenance.jobs.idle()
  expect(maintenance.jobs.list()).toEqual([])
  expect(await metadata.listUsage(null, 0)).toEqual([])
  expect(await metadata.findArtifact(artifact.id)).toMatchObject({ removedAt: null })

  const { id } = maintenance.collect({ reach: 'now', dryRun: false })
  expect(await maintenance.jobs.ended(id)).toMatchObject({ progress: { expired: 1 } })
  expect((await metadata.listRevocations()).tokens).toMatchObject([{ id: 'revoked' }])

  expect(doubtMs(watch, host)).toBe(12 * hour)
  await vi.advanceTimersByTimeAsync(1.1 * hour)
  await maintenance.jobs.idle()
  expect(maintenance.jobs.list()).toHaveLength(2)
  expect((await metadata.listRevocations()).tokens).toEqual([])
})
