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

export interface Reports {
  /** Path of an HTML report. */
  page: string | null
  tests: (TestCounts & { paths: string[]; failures: FailedTest[]; isWhole: boolean }) | null
  coverage: (Pick<CoverageSummary, 'lines'> & { path: string }) | null
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

export interface ReportFinder {
  /** Undefined if the artifact has ended. Errors: busy, the reason of `signal`. */
  find(artifact: Artifact, signal: AbortSignal): Promise<Reports | undefined>
}

export function createReportFinder(web: Web): ReportFinder {
  const remembered = new Map<Digest, Reports>()
  return {
    find: async (artifact, signal) => {
      const known = remembered.get(artifact.treeDigest)
      if (known !== undefined) return known
      try {
        const { isReadable, ...reports } = await new Finding(web, artifact, signal).find()
        // A damaged file may be healed.
        if (isReadable) remembered.set(artifact.treeDigest, reports)
        const oldest = remembered.size > rememberedMax ? remembered.keys().next().value : undefined
        if (oldest !== undefined) remembered.delete(oldest)
        return reports
      } catch (error) {
        if (isArtifactGone(error)) return undefined
        throw error
      }
    },
  }
}

class Finding {
  readonly #web: Web
  readonly #artifact: Artifact
  readonly #signal: AbortSignal
  #leftBytes = reportBytesMax
  #isReadable = true

  constructor(web: Web, artifact: Artifact, signal: AbortSignal) {
    this.#web = web
    this.#artifact = artifact
    this.#signal = signal
  }

  async find(): Promise<Reports & { isReadable: boolean }> {
    const page = await this.#findPage()
    const { testPaths, coveragePaths } = await this.#search()
    const found = testPaths.length + coveragePaths.length > 0
    const read = async (): Promise<Pick<Reports, 'tests' | 'coverage'>> => ({
      tests: await this.#readTests(testPaths),
      coverage: await this.#readCoverage(coveragePaths),
    })
    const reports = found
      ? await readingForPage(this.#web.context, [this.#artifact], read)
      : { tests: null, coverage: null }
    return { page, ...reports, isReadable: this.#isReadable }
  }

  async #findPage(): Promise<string | null> {
    for (const path of pages) {
      const found = await this.#web.context.metadata.findEntry(this.#artifact.id, path)
      if (found?.entry.kind === 'file') return path
    }
    return null
  }

  /** Walks the paths once. */
  async #search(): Promise<{ testPaths: string[]; coveragePaths: string[] }> {
    const testPaths: string[] = []
    const coveragePaths: string[] = []
    let ordinal: number | null = 0
    for (let step = 0; step < stepsMax && ordinal !== null; step++) {
      this.#signal.throwIfAborted()
      const { metadata } = this.#web.context
      const globs = [...testGlobs, ...coverageGlobs]
      const page = { ordinal, limit: filesMax }
      const { found, next } = await metadata.searchTree(this.#artifact.id, globs, page)
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

  async #readTests(paths: readonly string[]): Promise<Reports['tests']> {
    const tests = { tests: 0, failed: 0, skipped: 0 }
    const read: string[] = []
    const failures: FailedTest[] = []
    let isWhole = paths.length < filesMax
    for (const path of paths) {
      const summary = await this.#summarize(path, 'tests')
      if (summary === 'unread') isWhole = false
      if (summary === 'unread' || summary?.kind !== 'tests') continue
      read.push(path)
      tests.tests += summary.tests
      tests.failed += summary.failed
      tests.skipped += summary.skipped
      isWhole &&= summary.isWhole
      failures.push(...failuresOf(summary, path).slice(0, failuresMax - failures.length))
    }
    return read.length === 0 ? null : { ...tests, paths: read, failures, isWhole }
  }

  async #readCoverage(paths: readonly string[]): Promise<Reports['coverage']> {
    for (const path of paths) {
      const summary = await this.#summarize(path, 'coverage')
      if (summary !== 'unread' && summary?.kind === 'coverage')
        return { path, lines: summary.lines }
    }
    return null
  }

  /** `unread`: the file is damaged, too large after those before it, or takes too much memory. */
  async #summarize(
    path: string,
    content: ReportTask['content'],
  ): Promise<TestSummary | CoverageSummary | undefined | 'unread'> {
    const { context, renderer } = this.#web
    const file = (await context.metadata.findEntry(this.#artifact.id, path))?.entry
    if (file?.kind !== 'file') return undefined
    if (file.sizeBytes > this.#leftBytes) return 'unread'
    this.#leftBytes -= file.sizeBytes
    try {
      return await renderer.render(async (): Promise<ReportTask> => {
        const place = { artifact: this.#artifact, file }
        const bytes = await readBytes(context, place, 0, file.sizeBytes)
        return { kind: 'report', content, bytes }
      }, this.#signal)
    } catch (error) {
      if (!hasCode(error, 'blob_damaged', 'too_large')) throw error
      if (error.code === 'blob_damaged') this.#isReadable = false
      return 'unread'
    }
  }
}

function failuresOf({ failures }: TestSummary, path: string): FailedTest[] {
  return failures.map((failure, index) => ({ path, index, ...failure }))
}
