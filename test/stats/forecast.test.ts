import { describe, expect, test } from 'vitest'
import { dayMs } from '../../src/core/units.ts'
import { daysUntilFull, growthOf } from '../../src/stats/forecast.ts'

const now = 1000 * dayMs
const point = (daysAgo: number, bytes: number) => ({ at: now - daysAgo * dayMs, bytes })

describe('growth', () => {
  test('is unknown before a day has passed', () => {
    expect(growthOf([], now)).toBeUndefined()
    expect(growthOf([point(0.9, 0), point(0, 500)], now)).toBeUndefined()
  })

  test('is measured over the known history, up to thirty days', () => {
    expect(growthOf([point(4, 100), point(1, 500)], now)).toEqual({ bytesPerDay: 100, days: 4 })
    const long = [point(300, 0), point(50, 7000), point(20, 8000), point(0, 10_000)]
    expect(growthOf(long, now)).toEqual({ bytesPerDay: 100, days: 30 })
  })

  test('counts deletions', () => {
    expect(growthOf([point(2, 100), point(1, 900), point(0, 40)], now)?.bytesPerDay).toBe(-30)
  })
})

describe('free space', () => {
  test('runs out when growth has used it up', () => {
    expect(daysUntilFull(1050, { bytesPerDay: 100, days: 30 })).toBe(10)
    expect(daysUntilFull(-5, { bytesPerDay: 100, days: 30 })).toBe(0)
  })

  test('does not run out without growth', () => {
    expect(daysUntilFull(10, { bytesPerDay: 0, days: 30 })).toBeNull()
    expect(daysUntilFull(10, { bytesPerDay: -1, days: 30 })).toBeNull()
  })
})
