/** For whom upkeep rests. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createOthersWatch } from '../../src/metadata/sqlite/connection/others-watch.ts'

let calls: number

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
  // A clock that has gone on since the beginning, as it has in a server.
  vi.advanceTimersByTime(10_000)
  calls = 0
})
afterEach(() => {
  vi.useRealTimers()
})

test('nobody is there but upkeep, however many calls it makes and turns it takes', () => {
  const others = createOthersWatch(() => calls)
  others.noteTicket(0)
  vi.advanceTimersByTime(1000)
  for (let ticket = 1; ticket < 20; ticket++) {
    if (ticket % 3 === 1) {
      calls += 1
      others.noteOwnCall()
    }
    others.noteTicket(ticket)
    expect(others.areThere()).toBe(false)
  }
})

test.each<[string, (others: ReturnType<typeof createOthersWatch>) => void]>([
  ['another call comes meanwhile', () => (calls += 1)],
  [
    'another call came before that of upkeep',
    (others) => {
      calls += 2
      others.noteOwnCall()
    },
  ],
  ['another thread had a turn to write', (others) => others.noteTicket(3)],
])('somebody is there for a while when %s', (_what, happen) => {
  const others = createOthersWatch(() => calls)
  others.noteTicket(1)
  vi.advanceTimersByTime(1000)
  calls += 1
  others.noteOwnCall()
  expect(others.areThere()).toBe(false)
  happen(others)
  expect(others.areThere()).toBe(true)
  vi.advanceTimersByTime(100)
  expect(others.areThere()).toBe(true)
  vi.advanceTimersByTime(1000)
  expect(others.areThere()).toBe(false)
})

test('turns go on where their numbers overflow', () => {
  const others = createOthersWatch(() => calls)
  others.noteTicket(2 ** 31 - 1)
  vi.advanceTimersByTime(1000)
  others.noteTicket(-(2 ** 31))
  expect(others.areThere()).toBe(false)
})
