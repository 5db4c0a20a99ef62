/** Reads test results in JUnit's XML, the format that nearly all test runners write. There is no
 *  standard: suites may be nested or the root, and totals in attributes are often wrong, so tests
 *  are counted. */
import { type TestCase, type TestResults, testsMax } from './test-results.ts'
import { readXml } from './xml.ts'

/** Undefined if the text is no JUnit XML. */
export function parseJunit(text: string): TestResults | undefined {
  const reading = new JunitReading()
  const events = readXml(text)
  for (let step = events.next(); ; step = events.next()) {
    if (step.done === true) return reading.hasRoot ? reading.finish(step.value) : undefined
    const event = step.value
    if (event.kind === 'text') reading.text(event.text)
    else if (event.kind === 'close') reading.close(event.name)
    else if (!reading.open(event.name, event.attributes)) return undefined
    if (reading.isFull()) return reading.finish(false)
  }
}

type Attributes = ReadonlyMap<string, string>

class JunitReading {
  readonly #tests: TestCase[] = []
  /** Names of the open suites. */
  readonly #suites: string[] = []
  hasRoot = false
  #depth = 0
  #rootSeconds: number | null = null
  #suiteSeconds: number | null = null
  #test: TestCase | undefined
  /** The open element whose text is the detail of the test. */
  #problem: string | undefined

  /** False if this is no JUnit XML. */
  open(name: string, attributes: Attributes): boolean {
    if (this.#depth === 0 && name !== 'testsuites' && name !== 'testsuite') return false
    this.hasRoot = true
    this.#depth += 1
    if (name === 'testsuites') this.#rootSeconds = secondsOf(attributes)
    else if (name === 'testsuite') this.#openSuite(attributes)
    else if (name === 'testcase') this.#test = testOf(attributes, this.#suites.at(-1) ?? '')
    else if (this.#test !== undefined) this.#openInTest(this.#test, name, attributes)
    return true
  }

  text(text: string): void {
    if (this.#problem !== undefined && this.#test !== undefined) this.#test.detail += text
  }

  close(name: string): void {
    this.#depth -= 1
    if (name === 'testsuite') this.#suites.pop()
    if (name === this.#problem) this.#problem = undefined
    if (name === 'testcase') this.#endTest()
  }

  isFull(): boolean {
    return this.#tests.length >= testsMax
  }

  finish(isRead: boolean): TestResults {
    const isWhole = isRead && this.#depth === 0
    this.#endTest()
    return { tests: this.#tests, seconds: this.#rootSeconds ?? this.#suiteSeconds, isWhole }
  }

  #openSuite(attributes: Attributes): void {
    const seconds = secondsOf(attributes)
    if (this.#suites.length === 0 && seconds !== null)
      this.#suiteSeconds = (this.#suiteSeconds ?? 0) + seconds
    this.#suites.push(attributes.get('name') ?? '')
  }

  #openInTest(test: TestCase, name: string, attributes: Attributes): void {
    if (name !== 'failure' && name !== 'error' && name !== 'skipped') return
    this.#problem = name
    // A runner may write both; a failure counts.
    if (name === 'skipped' && test.outcome === 'failed') return
    test.outcome = name === 'skipped' ? 'skipped' : 'failed'
    test.message ||= attributes.get('message') ?? ''
  }

  #endTest(): void {
    const test = this.#test
    this.#test = undefined
    this.#problem = undefined
    if (test === undefined) return
    test.detail = test.detail.trim()
    test.message ||= test.detail.split('\n', 1)[0] ?? ''
    this.#tests.push(test)
  }
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
