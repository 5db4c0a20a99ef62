/** Finds the reports in an artifact: a page to open, test results, coverage. What they say is
 *  remembered by tree digest, since equal trees say the same. */
import { hasCode, isArtifactGone } from '../../core/errors.ts'
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
}

export function createReportFinder(web: Web): FindReports {
  const remembered = new Map<Digest, Reports>()
  return async (artifact, signal) => {
    const known = remembered.get(artifact.treeDigest)
    if (known !== undefined) return known
    const reading = { web, artifact, signal, leftBytes: reportBytesMax, isDamaged: false }
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
  if (testPaths.length + coveragePaths.length === 0) return { page, tests: null, coverage: null }
  return await readingForPage(reading.web.context, [reading.artifact], async () => ({
    page,
    tests: await readTests(reading, testPaths),
    coverage: await readCoverage(reading, coveragePaths),
  }))
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
  let isWhole = paths.length < filesMax
  for (const path of paths) {
    const summary = await summarize(reading, path, 'tests')
    if (summary === 'unread') isWhole = false
    if (summary === 'unread' || summary?.kind !== 'tests') continue
    read.push(path)
    tests.tests += summary.tests
    tests.failed += summary.failed
    isWhole &&= summary.isWhole
    failures.push(...failuresOf(summary, path).slice(0, failuresMax - failures.length))
  }
  if (read.length === 0) return null
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
    if (summary !== 'unread' && summary?.kind === 'coverage') return { path, ...summary }
  }
  return null
}

/** `unread`: the file is damaged, too large after those before it, or takes too much memory. */
async function summarize(
  reading: Reading,
  path: string,
  content: ReportTask['content'],
): Promise<TestSummary | CoverageSummary | undefined | 'unread'> {
  const { artifact, signal } = reading
  const { context, renderer } = reading.web
  const file = (await context.metadata.findEntry(artifact.id, path))?.entry
  if (file?.kind !== 'file') return undefined
  if (file.sizeBytes > reading.leftBytes) return 'unread'
  reading.leftBytes -= file.sizeBytes
  try {
    return await renderer.render(async (): Promise<ReportTask> => {
      const place = { artifact, file }
      const bytes = await readBytes(context, place, 0, file.sizeBytes)
      return { kind: 'report', content, bytes }
    }, signal)
  } catch (error) {
    if (!hasCode(error, 'blob_damaged', 'too_large')) throw error
    if (error.code === 'blob_damaged') reading.isDamaged = true
    return 'unread'
  }
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
