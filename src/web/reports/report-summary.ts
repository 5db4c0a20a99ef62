/** What a run's page says about a report file. */
import { withoutEscapes } from '../preview/ansi.tsx'
import { cutText, decodeText } from '../preview/text.ts'
import { nameOfTest, parseJunit } from './junit.ts'
import { type Covered, parseLcov, sumOf } from './lcov.ts'
import { countTests, type TestCounts } from './test-counts.ts'

export interface TestSummary extends TestCounts {
  kind: 'tests'
  /** The first failed tests of the file, at most `failuresMax`. */
  failures: { name: string; message: string }[]
  /** False if the file is cut off. */
  isWhole: boolean
}

export interface CoverageSummary {
  kind: 'coverage'
  lines: Covered
}

export interface ReportTask {
  kind: 'report'
  format: 'junit' | 'lcov'
  /** The whole file. */
  bytes: Uint8Array
}

/** As many failed tests as the page of a run lists, of all its artifacts. */
export const failuresMax = 10
const charactersMax = 160

/** Undefined if the file is no report of that format. */
export function summarize({
  format,
  bytes,
}: ReportTask): TestSummary | CoverageSummary | undefined {
  const text = decodeText(bytes)?.text
  if (text === undefined) return undefined
  if (format === 'lcov') {
    const files = parseLcov(text)
    return files && { kind: 'coverage', lines: sumOf(files, 'lines') }
  }
  const results = parseJunit(text)
  if (results === undefined) return undefined
  const { tests, isWhole } = results
  const failures = tests.filter(({ outcome }) => outcome === 'failed')
  return {
    kind: 'tests',
    ...countTests(tests),
    failures: failures.slice(0, failuresMax).map((test) => ({
      name: cutText(nameOfTest(test), charactersMax),
      message: cutText(firstLine(withoutEscapes(test.message)), charactersMax),
    })),
    isWhole,
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? ''
}
