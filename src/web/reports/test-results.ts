/** Test results as pages show them, whatever format they were in. */
import { counted, formatCount } from '../../core/units.ts'

export interface TestCase {
  /** The class of the test, or else its suite. */
  suite: string
  name: string
  outcome: 'passed' | 'failed' | 'skipped'
  seconds: number | null
  /** Why it failed or was skipped; may be empty. */
  message: string
  /** The text of the failure, such as a stack trace. */
  detail: string
}

export interface TestResults {
  tests: TestCase[]
  seconds: number | null
  /** False if the file is cut off, or has too many tests. */
  isWhole: boolean
}

export const testsMax = 100_000

/** The name of a test with its class, which some runners already write into the name. */
export function nameOfTest({ suite, name }: Pick<TestCase, 'suite' | 'name'>): string {
  if (name === '') return suite
  const isNamed = name.startsWith(suite) && !/^\w/.test(name.slice(suite.length))
  return suite === '' || isNamed ? name : `${suite} › ${name}`
}

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
