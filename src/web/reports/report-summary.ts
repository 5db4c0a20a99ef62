/** What a run's page says about a report file. */
import { cutText } from '../parts/format.tsx'
import { withoutEscapes } from '../preview/ansi.tsx'
import { decodeText } from '../preview/text.ts'
import { parseCobertura } from './cobertura.ts'
import { type Coverage, type Covered, sumOf } from './coverage.ts'
import { parseJunit } from './junit.ts'
import { parseLcov } from './lcov.ts'
import { countTests, nameOfTest, type TestCounts, type TestResults } from './test-results.ts'
import { parseTrx } from './trx.ts'

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
  isWhole: boolean
}

export interface ReportTask {
  kind: 'report'
  content: 'tests' | 'coverage'
  /** The whole file. */
  bytes: Uint8Array
}

/** As many failed tests as the page of a run lists, of all its artifacts. */
export const failuresMax = 10
const charactersMax = 160

/** Undefined if the file is no such report in a known format. */
export function summarize({
  content,
  bytes,
}: ReportTask): TestSummary | CoverageSummary | undefined {
  const text = decodeText(bytes)?.text
  if (text === undefined) return undefined
  if (content === 'coverage') {
    const coverage = parseCoverage(text)
    if (coverage === undefined) return undefined
    const { files, isWhole } = coverage
    return { kind: 'coverage', lines: sumOf(files, 'lines'), isWhole }
  }
  const results = parseTests(text)
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

/** Undefined if the text is no test results in a known format. */
export function parseTests(text: string): TestResults | undefined {
  return parseJunit(text) ?? parseTrx(text)
}

/** Undefined if the text is no coverage in a known format. */
export function parseCoverage(text: string): Coverage | undefined {
  return parseLcov(text) ?? parseCobertura(text)
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? ''
}
