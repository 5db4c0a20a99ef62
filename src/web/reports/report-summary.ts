/** What a run's page says about a report file. */
import { readXml } from '../../core/xml.ts'
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

/** No file of any format that has the name, such as what a runner left that was killed. */
interface Unreadable {
  kind: 'unreadable'
  reason: string
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
}: ReportTask): TestSummary | CoverageSummary | Unreadable | undefined {
  const text = decodeText(bytes)?.text
  if (text === undefined) return { kind: 'unreadable', reason: 'it is not text' }
  if (content === 'coverage') {
    const coverage = parseCoverage(text)
    if (coverage === undefined) return undefined
    const { files, isWhole } = coverage
    return { kind: 'coverage', lines: sumOf(files, 'lines'), isWhole }
  }
  const results = parseTests(text)
  if (results === undefined && !hasElement(text))
    return { kind: 'unreadable', reason: text === '' ? 'it is empty' : 'it is not XML' }
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

function hasElement(text: string): boolean {
  for (const { kind } of readXml(text)) if (kind === 'open') return true
  return false
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? ''
}
