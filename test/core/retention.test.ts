import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  changedExpiresAt,
  checkOverrides,
  effectiveState,
  expiresAtOf,
  isExpired,
  isRestorable,
  projectPolicy,
} from '../../src/core/policy/retention.ts'
import { dayMs } from '../../src/core/units.ts'

const hourMs = 60 * 60 * 1000
const policy = { defaultMs: 90 * dayMs, minMs: hourMs, maxMs: 400 * dayMs }
const instant = fc.integer({ min: 0, max: 4e12 })

describe('expiry of a new artifact', () => {
  test('is within the bounds of the policy, whatever is requested', () => {
    const request = fc.oneof(
      fc.constant(null),
      fc.record({ days: fc.nat(1_000_000) }),
      fc.record({ expiresAt: fc.integer() }),
    )
    fc.assert(
      fc.property(request, instant, (asked, createdAt) => {
        const kept = expiresAtOf(asked, policy, createdAt) - createdAt
        expect(kept).toBeGreaterThanOrEqual(policy.minMs)
        expect(kept).toBeLessThanOrEqual(policy.maxMs)
      }),
    )
  })

  test.each([
    ['nothing requested means the default', null, 90 * dayMs],
    ['0 days mean the default', { days: 0 }, 90 * dayMs],
    ['days within the bounds are used unchanged', { days: 7 }, 7 * dayMs],
    ['too many days become the maximum', { days: 5000 }, 400 * dayMs],
    ['an instant within the bounds is used unchanged', { expiresAt: 1000 + 3 * dayMs }, 3 * dayMs],
    ['an instant in the past becomes the minimum', { expiresAt: 0 }, hourMs],
  ])('%s', (_, asked, keptMs) => {
    expect(expiresAtOf(asked, policy, 1000)).toBe(1000 + keptMs)
  })

  test.each([-1, 1.5, Number.NaN])('%d days are rejected', (days) => {
    expect(() => expiresAtOf({ days }, policy, 0)).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    )
  })
})

describe('the policy of a project', () => {
  const length = fc.option(fc.integer({ min: 0, max: 1000 * dayMs }))
  const overrides = fc.record({
    retentionDefaultMs: length,
    retentionMinMs: length,
    retentionMaxMs: length,
  })

  test('lies within that of the server, whatever its overrides', () => {
    fc.assert(
      fc.property(overrides, (own) => {
        const { defaultMs, minMs, maxMs } = projectPolicy(policy, own)
        expect(minMs).toBeGreaterThanOrEqual(policy.minMs)
        expect(maxMs).toBeLessThanOrEqual(policy.maxMs)
        expect(minMs).toBeLessThanOrEqual(defaultMs)
        expect(defaultMs).toBeLessThanOrEqual(maxMs)
      }),
    )
  })

  test('is what its overrides say, unless they contradict each other or the server', () => {
    const [low, middle, high] = [2 * dayMs, 7 * dayMs, 30 * dayMs]
    const own = { retentionMinMs: low, retentionDefaultMs: middle, retentionMaxMs: high }
    expect(projectPolicy(policy, own)).toEqual({ minMs: low, defaultMs: middle, maxMs: high })
    const none = { retentionMinMs: null, retentionDefaultMs: null, retentionMaxMs: null }
    expect(projectPolicy(policy, none)).toEqual(policy)
    checkOverrides(own)
    checkOverrides(none)
  })

  test.each([
    ['retentionMinDays', { retentionMinMs: 2, retentionMaxMs: 1, retentionDefaultMs: null }],
    ['retentionDays', { retentionMinMs: null, retentionMaxMs: 1, retentionDefaultMs: 2 }],
    ['retentionDays', { retentionMinMs: 2, retentionMaxMs: null, retentionDefaultMs: 1 }],
  ])('an error names %s when the overrides %j contradict each other', (field, own) => {
    expect(() => checkOverrides(own)).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: { field } }),
    )
  })
})

describe('a changed expiry', () => {
  test('may be any instant from now to the maximum, counted from the time known to have passed', () => {
    const times = { now: 4 * dayMs, from: 6 * dayMs }
    expect(changedExpiresAt(5 * dayMs, policy, times)).toBe(5 * dayMs)
    expect(changedExpiresAt(0, policy, times)).toBe(4 * dayMs)
    expect(changedExpiresAt(1e15, policy, times)).toBe(406 * dayMs)
  })
})

describe('state', () => {
  test('an artifact is expired from the millisecond of its expiry on', () => {
    const artifact = { expiresAt: 1000, pinned: false, keptLatest: false }
    expect(isExpired(artifact, 999)).toBe(false)
    expect(isExpired(artifact, 1000)).toBe(true)
  })

  test.each([{ pinned: true }, { keptLatest: true }])(
    'a kept artifact never expires: %o',
    (kept) => {
      const artifact = { expiresAt: 1000, pinned: false, keptLatest: false, ...kept }
      expect(isExpired(artifact, 1e15)).toBe(false)
    },
  )

  test.each([
    ['available', 999, 'available'],
    ['available', 1000, 'expired'],
    ['damaged', 999, 'damaged'],
    ['damaged', 1000, 'expired'],
    ['deleted', 1000, 'deleted'],
    ['expired', 0, 'expired'],
  ] as const)('%s at %d is seen as %s', (state, now, seen) => {
    expect(effectiveState({ state, expiresAt: 1000, pinned: false, keptLatest: false }, now)).toBe(
      seen,
    )
  })
})

test('a deletion can be undone for a while, a replacement never', () => {
  const removed = { state: 'deleted' as const, removedAt: 1_000 }
  const at = (removedReason: string, now: number): boolean =>
    isRestorable({ ...removed, removedReason }, { undoMs: 500, now })
  expect([at('api', 1_499), at('api', 1_500), at('replaced', 1_000)]).toEqual([true, false, false])
})
