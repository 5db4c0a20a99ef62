/** Reads test results in the XML that `dotnet test --logger trx` writes. The results of a test with
 *  several rows are nested in one of the whole test, which does not count. */
import { type TestCase, type TestResults, testsMax } from './test-results.ts'
import { readXml } from '../../core/xml.ts'

/** Other outcomes count as failed, except those that say that the test passed. */
const skipped = /^(NotExecuted|Inconclusive|Pending|NotRunnable|Disconnected)$/i
const passed = /^(Passed|PassedButRunAborted|Completed|Warning)$/i

/** Undefined if the text is no TRX file. */
export function parseTrx(text: string): TestResults | undefined {
  const tests: TestCase[] = []
  /** Open results, and whether each holds others. */
  const open: { test: TestCase; isParent: boolean }[] = []
  let isTestRun = false
  let depth = 0
  let place: 'message' | 'detail' | undefined
  const events = readXml(text)
  let step = events.next()
  for (; step.done !== true && tests.length < testsMax; step = events.next()) {
    const event = step.value
    const last = open.at(-1)
    if (event.kind === 'text') {
      if (place !== undefined && last !== undefined) last.test[place] += event.text
    } else if (event.kind === 'open') {
      isTestRun ||= depth === 0 && event.name === 'TestRun'
      if (!isTestRun) return undefined
      depth += 1
      place = places.get(event.name)
      if (event.name !== 'UnitTestResult') continue
      if (last !== undefined) last.isParent = true
      open.push({ test: testOf(event.attributes), isParent: false })
    } else {
      depth -= 1
      place = undefined
      if (event.name !== 'UnitTestResult') continue
      open.pop()
      if (last?.isParent === false) tests.push(last.test)
    }
  }
  if (!isTestRun) return undefined
  const isWhole = step.done === true && step.value
  const times = tests.flatMap(({ seconds }) => seconds ?? [])
  const seconds = times.length === 0 ? null : times.reduce((sum, each) => sum + each, 0)
  return { tests: tests.map(trimmed), seconds, isWhole }
}

const places = new Map<string, 'message' | 'detail'>([
  ['Message', 'message'],
  ['StackTrace', 'detail'],
])

function testOf(attributes: ReadonlyMap<string, string>): TestCase {
  const outcome = attributes.get('outcome') ?? ''
  return {
    suite: '',
    name: attributes.get('testName') ?? '',
    outcome: skipped.test(outcome) ? 'skipped' : passed.test(outcome) ? 'passed' : 'failed',
    seconds: secondsOf(attributes.get('duration') ?? ''),
    message: '',
    detail: '',
  }
}

function trimmed(test: TestCase): TestCase {
  return { ...test, message: test.message.trim(), detail: test.detail.trimEnd() }
}

/** `00:00:01.2345678`. */
function secondsOf(duration: string): number | null {
  const [, hours, minutes, seconds] = /^(\d{1,3}):(\d\d):(\d\d(?:\.\d+)?)$/.exec(duration) ?? []
  if (hours === undefined) return null
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
}
