/** For whom maintenance rests. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createOthersWatch } from '../../src/metadata/sqlite/connection/others-watch.ts'

let calls: number

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
  // As in a server, the clock has been running for a while.
  vi.advanceTimersByTime(10_000)
  calls = 0
})
afterEach(() => {
  vi.useRealTimers()
})

test('maintenance alone does not count as others, however many calls and write turns it takes', () => {
  const others = createOthersWatch(() => calls)
  others.noteTicket(0)
  vi.advanceTimersByTime(1000)
  for (let ticket = 1; ticket < 20; ticket++) {
    if (ticket % 3 === 1) {
      calls += 1
      others.noteOwnCall()
    }
    others.noteTicket(ticket)
    expect(others.arePresent()).toBe(false)
  }
})

test.each<[string, (others: ReturnType<typeof createOthersWatch>) => void]>([
  ['another call arrives', () => (calls += 1)],
  [
    'another call arrived before the one of maintenance',
    (others) => {
      calls += 2
      others.noteOwnCall()
    },
  ],
  ['another thread had a turn to write', (others) => others.noteTicket(3)],
])('others count as present for a while when %s', (_what, happen) => {
  const others = createOthersWatch(() => calls)
  others.noteTicket(1)
  vi.advanceTimersByTime(1000)
  calls += 1
  others.noteOwnCall()
  expect(others.arePresent()).toBe(false)
  happen(others)
  expect(others.arePresent()).toBe(true)
  vi.advanceTimersByTime(100)
  expect(others.arePresent()).toBe(true)
  vi.advanceTimersByTime(1000)
  expect(others.arePresent()).toBe(false)
})

test('ticket numbers continue across an overflow', () => {
  const others = createOthersWatch(() => calls)
  others.noteTicket(2 ** 31 - 1)
  vi.advanceTimersByTime(1000)
  others.noteTicket(-(2 ** 31))
  expect(others.arePresent()).toBe(false)
})
