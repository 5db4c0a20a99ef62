/** How results of tests are counted in words. */
import { counted, formatCount } from '../../core/units.ts'
import type { TestCase } from './test-results.ts'

export interface TestCounts {
  tests: number
  failed: number
  skipped: number
}

export function countTests(tests: readonly TestCase[]): TestCounts {
  return {
    tests: tests.length,
    failed: tests.filter(({ outcome }) => outcome === 'failed').length,
    skipped: tests.filter(({ outcome }) => outcome === 'skipped').length,
  }
}

/** `200 tests: 2 failed, 4 skipped, 194 passed`. */
export function sayCounts({ tests, failed, skipped }: TestCounts): string {
  const parts = [
    [failed, 'failed'],
    [skipped, 'skipped'],
    [tests - failed - skipped, 'passed'],
  ] as const
  const said = parts.filter(([count]) => count > 0)
  const words = said.map(([count, word]) => `${formatCount(count)} ${word}`).join(', ')
  return words === '' ? 'No tests' : `${counted(tests, 'test')}: ${words}`
}
