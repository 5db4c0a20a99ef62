/** Test results as pages show them, whatever format they were in. */

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
