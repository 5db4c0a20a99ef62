/** Reads test results in JUnit's XML, the format that nearly all test runners write. There is no
 *  standard: suites may be nested or the root, and totals in attributes are often wrong, so tests
 *  are counted. */
import { type TestCase, type TestResults, testsMax } from './test-results.ts'
import { readXml } from '../../core/xml.ts'

type Attributes = ReadonlyMap<string, string>

/** Undefined if the text is no JUnit XML. */
export function parseJunit(text: string): TestResults | undefined {
  const tests: TestCase[] = []
  /** Names of the open suites. */
  const suites: string[] = []
  let isJunit = false
  let depth = 0
  let rootSeconds: number | null = null
  let suiteSeconds: number | null = null
  let test: TestCase | undefined
  /** The open element whose text is the detail of the test. */
  let problem: string | undefined
  const events = readXml(text)
  let step = events.next()
  for (; step.done !== true && tests.length < testsMax; step = events.next()) {
    const event = step.value
    if (event.kind === 'text') {
      if (problem !== undefined && test !== undefined) test.detail += event.text
      continue
    }
    const { name } = event
    if (event.kind === 'close') {
      depth -= 1
      if (name === 'testsuite') suites.pop()
      if (name === problem) problem = undefined
      if (name !== 'testcase' || test === undefined) continue
      tests.push(trimmed(test))
      test = problem = undefined
      continue
    }
    const { attributes } = event
    if (depth === 0 && name !== 'testsuites' && name !== 'testsuite') return undefined
    isJunit = true
    depth += 1
    if (name === 'testsuites') rootSeconds = secondsOf(attributes)
    else if (name === 'testsuite') {
      const seconds = secondsOf(attributes)
      if (suites.length === 0 && seconds !== null) suiteSeconds = (suiteSeconds ?? 0) + seconds
      suites.push(attributes.get('name') ?? '')
    } else if (name === 'testcase') test = testOf(attributes, suites.at(-1) ?? '')
    else if (test !== undefined && /^(?:failure|error|skipped)$/.test(name)) {
      problem = name
      addProblem(test, name, attributes)
    }
  }
  if (!isJunit) return undefined
  // Whether a test that is cut off would have passed is not known.
  if (test !== undefined && test.outcome !== 'passed') tests.push(trimmed(test))
  const isWhole = step.done === true && step.value
  return { tests, seconds: rootSeconds ?? suiteSeconds, isWhole }
}

/** A runner may write both a failure and that the test was skipped; the failure counts. */
function addProblem(test: TestCase, name: string, attributes: Attributes): void {
  if (name === 'skipped' && test.outcome === 'failed') return
  test.outcome = name === 'skipped' ? 'skipped' : 'failed'
  test.message ||= attributes.get('message') ?? ''
}

function trimmed(test: TestCase): TestCase {
  const detail = test.detail.trim()
  return { ...test, detail, message: test.message || (detail.split('\n', 1)[0] ?? '') }
}

function testOf(attributes: Attributes, suite: string): TestCase {
  // GoogleTest says in an attribute that a test was not run.
  const isSkipped = /^(notrun|skipped|disabled)$/i.test(attributes.get('status') ?? '')
  return {
    suite: attributes.get('classname') || suite,
    name: attributes.get('name') ?? '',
    outcome: isSkipped ? 'skipped' : 'passed',
    seconds: secondsOf(attributes),
    message: '',
    detail: '',
  }
}

/** Some runners group digits with commas. */
function secondsOf(attributes: Attributes): number | null {
  const text = (attributes.get('time') ?? '').replaceAll(',', '')
  return /^\d{1,9}(\.\d+)?(e-?\d{1,2})?$/i.test(text) ? Number(text) : null
}
