/** When metadata snapshots are due. Timers are faked. */
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { startSnapshotSchedule } from '../../src/lifecycle/snapshot/snapshot-schedule.ts'
import type { SentChanges } from '../../src/lifecycle/snapshot/series.ts'
import { createLog } from '../../src/log.ts'

const minute = 60_000
const intervalMs = 60 * minute

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Returns the minute of each snapshot of 800 bytes taken within some hours. `fails`: whether the
 *  nth fails. `follows`: whether changes follow at that minute. `sent`: what was sent in each
 *  minute since a snapshot, by default enough for another one after an hour. */
async function minutesTaken({
  hours = 2,
  fails = () => false,
  follows = () => true,
  isAwaited = false,
  sent = { objects: 0, bytes: 2 },
}: {
  hours?: number
  fails?: (nth: number) => boolean
  follows?: (minute: number) => boolean
  isAwaited?: boolean
  sent?: SentChanges
}): Promise<number[]> {
  const begunAt = performance.now()
  const sinceMinutes = (): number => (performance.now() - begunAt) / minute
  const minutes: number[] = []
  const schedule = startSnapshotSchedule({
    intervalMs,
    isAwaited,
    isFollowed: () => minutes.length > 0 && follows(sinceMinutes()),
    sentSince: () => {
      const since = sinceMinutes() - (minutes.at(-1) ?? 0)
      return { objects: sent.objects * since, bytes: sent.bytes * since }
    },
    take: async () => {
      minutes.push(sinceMinutes())
      return fails(minutes.length) ? undefined : { snapshotBytes: 800 }
    },
    log: createLog('error', () => {}),
  })
  onTestFinished(() => schedule.stop())
  await vi.advanceTimersByTimeAsync(hours * 60 * minute)
  return minutes
}

function between(low: number, high: number): number {
  return expect.toSatisfy((value: number) => value >= low && value <= high) as number
}

test('the first is taken at once, the next ones an interval later', async () => {
  expect(await minutesTaken({})).toEqual([between(0, 0.2), between(60, 61)])
})

test('a failed one is repeated after two minutes, also while changes follow an earlier one', async () => {
  expect(await minutesTaken({ fails: (nth) => nth <= 2 })).toEqual([
    between(0, 0.2),
    between(2, 3),
    between(4, 5),
    between(64, 66),
  ])
})

test('when changes no longer follow, another one is taken soon', async () => {
  expect(await minutesTaken({ follows: (at) => at < 30 || at > 30.1 })).toEqual([
    between(0, 0.2),
    between(30, 30.2),
    between(90, 91),
  ])
})

test('one that changes do not follow is repeated every two minutes at most', async () => {
  const minutes = await minutesTaken({ follows: (at) => at > 5 })
  expect(minutes).toEqual([between(0, 0.2), between(2, 3), between(4, 5), between(64, 66)])
})

test('another one is not put off while uploads wait for it', async () => {
  const minutes = await minutesTaken({ isAwaited: true, follows: (at) => at < 30 || at > 30.5 })
  expect(minutes.slice(0, 3)).toEqual([0, between(30, 30.1), between(30, 30.2)])
})

test('another one waits until many objects, or an eighth of its size, were sent since, or for a day', async () => {
  const at = async (objects: number, bytes: number): Promise<number> =>
    (await minutesTaken({ hours: 30, sent: { objects, bytes } }))[1]!
  expect(await at(0, 0)).toEqual(between(24 * 60, 24 * 60 + 1))
  expect(await at(5, 0)).toEqual(between(200, 201))
  expect(await at(0, 0.5)).toEqual(between(200, 201))
  expect(await at(1000, 800)).toEqual(between(60, 61))
})
