/** What a reader reads stays (invariant 2): its lease lasts until the reader ends it. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { openReadLease, type ReadLeasePorts, withReadLease } from '../../src/egress/read-lease.ts'

const idleMs = 120_000
let until: number
let opened: readonly number[] | undefined
let gone: number[]
let closings: number
let renewals: number

beforeEach(() => {
  vi.useFakeTimers({ now: 0 })
  ;[opened, gone, closings, renewals] = [undefined, [], 0, 0]
})
afterEach(() => {
  vi.useRealTimers()
})

const ports: ReadLeasePorts = {
  now: () => Date.now(),
  metadata: {
    openReadLeases: async (ids, now, leaseMs) => {
      opened = ids
      until = now + leaseMs
      return { leases: gone.length > 0 ? [] : [7], gone }
    },
    renewReadLeases: async (leases, next) => {
      expect(leases).toEqual([7])
      renewals += 1
      if (renewals % 2 === 1) throw new Error('the disk is full')
      until = next
    },
    closeReadLeases: async (leases) => {
      expect(leases).toEqual([7])
      closings += 1
    },
  },
}

test('a lease outlasts every pause that a reader may make, even if every other renewal fails', async () => {
  const lease = await openReadLease(ports, [1, 2], idleMs)
  expect(opened).toEqual([1, 2])
  for (let second = 0; second < 3600; second++) {
    expect(until).toBeGreaterThan(Date.now())
    await vi.advanceTimersByTimeAsync(1000)
  }
  // If its holder dies, it ends soon.
  expect(until - Date.now()).toBeLessThanOrEqual(idleMs + limits.readLeaseSlackMs)
  const before = renewals
  await lease!.end()
  await lease!.end()
  await vi.advanceTimersByTimeAsync(2 * idleMs)
  expect([closings, renewals]).toEqual([1, before])
})

test('there is no lease when an artifact is gone', async () => {
  gone = [2]
  expect(await openReadLease(ports, [1, 2], idleMs)).toBeUndefined()
  expect(vi.getTimerCount()).toBe(0)
})

test('a lease for some work ends with it, also if it fails', async () => {
  expect(
    await withReadLease(ports, async () => {
      await vi.advanceTimersByTimeAsync(1000)
      return [opened, closings]
    }),
  ).toEqual([[], 0])
  expect(closings).toBe(1)
  const failure = new Error('the work failed')
  await expect(withReadLease(ports, async () => await Promise.reject(failure))).rejects.toBe(
    failure,
  )
  expect([closings, vi.getTimerCount()]).toEqual([2, 0])
})
