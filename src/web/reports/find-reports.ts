/** Finds the reports in an artifact: a page to open, test results, coverage. What they say is
 *  remembered by tree digest, since equal trees say the same. */
import { hasCode, isArtifactGone } from '../../core/errors.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { compilePathGlobs } from '../../core/glob/path-glob.ts'
import type { Digest } from '../../core/bytes/digest.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { readingForPage } from '../page-access.ts'
import type { Web } from '../page.tsx'
import { readBytes } from '../preview/request.ts'
import { reportBytesMax } from '../preview/shown-file.ts'
import {
  type CoverageSummary,
  failuresMax,
  type ReportTask,
  type TestSummary,
} from './report-summary.ts'
import type { TestCounts } from './test-results.ts'

export interface FailedTest {
  path: string
  /** From 0, within its file. */
  index: number
  name: string
  message: string
}

export interface TestReports extends Pick<TestCounts, 'tests' | 'failed'> {
  /** Path of the only file, or of the deepest directory that contains all; '' is the root. */
  place: { file: string } | { directory: string }
  failures: FailedTest[]
  isWhole: boolean
}

export interface Reports {
  /** Path of an HTML report. */
  page: string | null
  tests: TestReports | null
  coverage: (Omit<CoverageSummary, 'kind'> & { path: string }) | null
  /** Files with the name of a report that could not be read. */
  unread: { first: { path: string; reason: string }[]; count: number }
}

const pages = [
  'index.html',
  'playwright-report/index.html',
  'coverage/index.html',
  'lcov-report/index.html',
  'coverage/lcov-report/index.html',
  'htmlcov/index.html',
]
/** Names that test runners write or that their manuals use. A file that is no report of tests is
 *  found out when it is read. */
const testGlobs = [
  '**/TEST-*.xml',
  '**/*{junit,JUnit,test-results,test_results,test-report,testresults,TestResults}*.xml',
  '**/{test-results,test-reports,surefire-reports,junit}/**/*.xml',
  '**/{test,tests,results,report,rspec,pytest,nextest}.xml',
  '**/*.trx',
]
const coverageGlobs = [
  '**/lcov.info',
  '**/*.lcov',
  '**/*{cobertura,Cobertura}*.xml',
  '**/{coverage,coverage-final}.xml',
]
const isCoverage = compilePathGlobs(coverageGlobs)
const isTests = compilePathGlobs(testGlobs)

/** Per artifact; a matrix of Java projects has hundreds of files with results. */
const filesMax = 200
/** Only one is shown, but some may turn out to be something else. */
const coverageFilesMax = 5
/** A step examines entries for about two milliseconds. */
const stepsMax = 50
const rememberedMax = 500
/** As many as the page of a run lists, of all its artifacts. */
export const unreadMax = 5

/** Undefined if the artifact has ended. Errors: busy, the reason of `signal`. */
export type FindReports = (artifact: Artifact, signal: AbortSignal) => Promise<Reports | undefined>

/** State of reading the reports of one artifact. */
interface Reading {
  web: Web
  artifact: Artifact
  signal: AbortSignal
  /** Changes: how much may still be read. */
  leftBytes: number
  /** Changes: whether a file was damaged, which may be healed. */
  isDamaged: boolean
  /** Changes: what could not be read, and why, by path. */
  unread: Map<string, string>
}

export function createReportFinder(web: Web): FindReports {
  const remembered = new Map<Digest, Reports>()
  return async (artifact, signal) => {
    const known = remembered.get(artifact.treeDigest)
    if (known !== undefined) return known
    const reading = {
      web,
      artifact,
      signal,
      leftBytes: reportBytesMax,
      isDamaged: false,
      unread: new Map<string, string>(),
    }
    try {
      const reports = await findReports(reading)
      if (!reading.isDamaged) remembered.set(artifact.treeDigest, reports)
      const oldest = remembered.size > rememberedMax ? remembered.keys().next().value : undefined
      if (oldest !== undefined) remembered.delete(oldest)
      return reports
    } catch (error) {
      if (isArtifactGone(error)) return undefined
      throw error
    }
  }
}

async function findReports(reading: Reading): Promise<Reports> {
  const page = await findPage(reading)
  const { testPaths, coveragePaths } = await search(reading)
  if (testPaths.length + coveragePaths.length === 0)
    return { page, tests: null, coverage: null, unread: { first: [], count: 0 } }
  return await readingForPage(reading.web.context, [reading.artifact], async () => {
    const tests = await readTests(reading, testPaths)
    const coverage = await readCoverage(reading, coveragePaths)
    const unread = [...reading.unread].map(([path, reason]) => ({ path, reason }))
    const first = unread.slice(0, unreadMax)
    return { page, tests, coverage, unread: { first, count: unread.length } }
  })
}

async function findPage({ web, artifact }: Reading): Promise<string | null> {
  for (const path of pages) {
    const found = await web.context.metadata.findEntry(artifact.id, path)
    if (found?.entry.kind === 'file') return path
  }
  return null
}

/** Walks the paths once. */
async function search({
  web,
  artifact,
  signal,
}: Reading): Promise<{ testPaths: string[]; coveragePaths: string[] }> {
  const testPaths: string[] = []
  const coveragePaths: string[] = []
  let ordinal: number | null = 0
  for (let step = 0; step < stepsMax && ordinal !== null; step++) {
    signal.throwIfAborted()
    const { metadata } = web.context
    const globs = [...testGlobs, ...coverageGlobs]
    const page = { ordinal, limit: filesMax }
    const { found, next } = await metadata.searchTree(artifact.id, globs, page)
    for (const { entry } of found) {
      if (entry.kind !== 'file') continue
      if (isTests(entry.path) && testPaths.length < filesMax) testPaths.push(entry.path)
      if (isCoverage(entry.path) && coveragePaths.length < coverageFilesMax)
        coveragePaths.push(entry.path)
    }
    ordinal = next
  }
  return { testPaths, coveragePaths }
}

async function readTests(reading: Reading, paths: readonly string[]): Promise<Reports['tests']> {
  const tests = { tests: 0, failed: 0 }
  const read: string[] = []
  const failures: FailedTest[] = []
  let isEachWhole = true
  for (const path of paths) {
    const summary = await summarize(reading, path, 'tests')
    if (summary?.kind !== 'tests') continue
    read.push(path)
    tests.tests += summary.tests
    tests.failed += summary.failed
    isEachWhole &&= summary.isWhole
    failures.push(...failuresOf(summary, path).slice(0, failuresMax - failures.length))
  }
  if (read.length === 0) return null
  const isWhole = isEachWhole && paths.length < filesMax && reading.unread.size === 0
  const [first = ''] = read
  const place = read.length === 1 ? { file: first } : { directory: parentOf(read) }
  return { ...tests, place, failures, isWhole }
}

async function readCoverage(
  reading: Reading,
  paths: readonly string[],
): Promise<Reports['coverage']> {
  for (const path of paths) {
    const summary = await summarize(reading, path, 'coverage')
    if (summary?.kind === 'coverage') return { path, ...summary }
  }
  return null
}

/** Undefined if the file is no such report, or could not be read, which is noted. */
async function summarize(
  reading: Reading,
  path: string,
  content: ReportTask['content'],
): Promise<TestSummary | CoverageSummary | undefined> {
  const { artifact, signal, unread } = reading
  const { context, renderer } = reading.web
  const file = (await context.metadata.findEntry(artifact.id, path))?.entry
  if (file?.kind !== 'file') return undefined
  if (file.sizeBytes > reading.leftBytes) {
    const most = formatSizeBytes(reportBytesMax)
    unread.set(path, `only ${most} of an artifact’s reports are read`)
    return undefined
  }
  reading.leftBytes -= file.sizeBytes
  try {
    const summary = await renderer.render(async (): Promise<ReportTask> => {
      const place = { artifact, file }
      const bytes = await readBytes(context, place, 0, file.sizeBytes)
      return { kind: 'report', content, bytes }
    }, signal)
    if (summary?.kind !== 'unreadable') return summary
    unread.set(path, summary.reason)
  } catch (error) {
    if (!hasCode(error, 'blob_damaged', 'too_large')) throw error
    const isDamaged = error.code === 'blob_damaged'
    reading.isDamaged ||= isDamaged
    unread.set(path, isDamaged ? 'its stored bytes are damaged' : error.message)
  }
  return undefined
}

function failuresOf({ failures }: TestSummary, path: string): FailedTest[] {
  return failures.map((failure, index) => ({ path, index, ...failure }))
}

/** The deepest directory that contains all paths. */
function parentOf(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => path.split('/').slice(0, -1))
  let depth = first.length
  for (const other of others)
    while (depth > 0 && first.slice(0, depth).join('/') !== other.slice(0, depth).join('/')) depth--
  return first.slice(0, depth).join('/')
}
