/** When metadata snapshots are due. Timers are faked. */
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { startSnapshotSchedule } from '../../src/lifecycle/snapshot/snapshot-schedule.ts'
import { createLog } from '../../src/log.ts'

const minute = 60_000
const intervalMs = 60 * minute

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Returns the minute of each snapshot taken within two hours. `fails`: whether the nth fails. */
async function minutesTaken(
  newestAt: () => Promise<number | undefined>,
  fails: (nth: number) => boolean = () => false,
): Promise<number[]> {
  const begunAt = performance.now()
  const minutes: number[] = []
  const schedule = startSnapshotSchedule({
    intervalMs,
    newestAt,
    take: async () => {
      minutes.push((performance.now() - begunAt) / minute)
      return fails(minutes.length) ? undefined : { number: minutes.length }
    },
    log: createLog('error', () => {}),
  })
  onTestFinished(() => schedule.stop())
  await vi.advanceTimersByTimeAsync(2 * intervalMs)
  return minutes
}

function between(low: number, high: number): number {
  return expect.toSatisfy((value: number) => value >= low && value <= high) as number
}

test('the first is taken at once, the next ones an interval later', async () => {
  expect(await minutesTaken(async () => undefined)).toEqual([between(0.8, 1.2), between(60, 63)])
})

test('the interval counts from the newest in the bucket', async () => {
  const newestAt = Date.now() - 45 * minute
  expect(await minutesTaken(async () => newestAt)).toEqual([between(15, 17), between(75, 79)])
})

test('a newest one in the future, by the clock of the service, is taken as new', async () => {
  const newestAt = Date.now() + 1000 * minute
  expect(await minutesTaken(async () => newestAt)).toEqual([between(60, 62)])
})

test('a failed one is repeated after ten minutes', async () => {
  expect(
    await minutesTaken(
      async () => undefined,
      (nth) => nth <= 2,
    ),
  ).toEqual([between(0.8, 1.2), between(10, 13), between(20, 25), between(80, 87)])
})

test('a bucket that does not respond is asked again', async () => {
  let asked = 0
  const newestAt = async (): Promise<undefined> => {
    asked += 1
    if (asked < 5) throw new Error('no response')
    return undefined
  }
  expect(await minutesTaken(newestAt)).toEqual([between(4, 6), between(64, 69)])
})
