/** Previews of test results and coverage: totals, failed tests with their messages, tables. */
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import { counted, formatCount, formatDuration } from '../../core/units.ts'
import { renderFitting, takeFitting } from '../fitting.ts'
import { cutText } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { figures, Table } from '../parts/table.tsx'
import { plainAnsiState, renderAnsiLine, withoutEscapes } from '../preview/ansi.tsx'
import { previewBytesMax, type ShownFile } from '../preview/shown-file.ts'
import { ShowMore } from '../preview/table-preview.tsx'
import { type Coverage, type CoveredFile, formatCovered, sumOf } from './coverage.ts'
import {
  countTests,
  nameOfTest,
  sayCounts,
  type TestCase,
  type TestResults,
} from './test-results.ts'

/** Bounds until "Show more". `bytes`: compressed, of the failed tests on a page, and again of the
 *  table of all tests. */
const brief = { name: 300, detail: 3000, failures: 1000, rows: 1000, bytes: 9 * 1024 }
/** Bounds after "Show more". */
const full = { name: 5000, detail: 100_000, failures: 2000, rows: 10_000, bytes: Infinity }

type Bounds = typeof brief

export async function testsPreview(shown: ShownFile, results: TestResults): Promise<Html> {
  const { tests } = results
  const isBrief = shown.wantedBytes === 0
  const bounds = isBrief ? brief : full
  const failed = tests.filter(({ outcome }) => outcome === 'failed')
  const failure = (test: TestCase, index: number): Html => (
    <Failure test={test} index={index} bounds={bounds} />
  )
  const row = (test: TestCase): Html => <TestRow test={test} bounds={bounds} />
  const firstFailed = failed.slice(0, bounds.failures)
  const { pieces: failures } = await takeFitting(firstFailed, failure, bounds.bytes)
  const firstTests = tests.slice(0, bounds.rows)
  const { pieces: rows } = await takeFitting(firstTests, row, bounds.bytes)
  const isAll = failures.length === failed.length && rows.length === tests.length
  return (
    <>
      <Totals {...results} />
      {failed.length > 0 && (
        <section aria-labelledby="failed">
          <h2 id="failed">Failed tests</h2>
          {failures.length < failed.length && (
            <p class="quiet">
              Showing the first {formatCount(failures.length)} of {formatCount(failed.length)}.
            </p>
          )}
          {raw(failures.join(''))}
        </section>
      )}
      {rows.length > 0 && <TestTable rows={rows} total={tests.length} />}
      {isBrief && !isAll && <ShowMore {...shown} />}
    </>
  )
}

function Totals({ tests, seconds, isWhole }: TestResults) {
  return (
    <>
      <p>
        {sayCounts(countTests(tests))}
        {seconds !== null && ` in ${formatDuration(seconds * 1000)}`}.
      </p>
      {!isWhole && <Incomplete what="tests" />}
    </>
  )
}

function Incomplete({ what }: { what: string }) {
  return (
    <p class="note">This file is incomplete: only the {what} above its broken place are shown.</p>
  )
}

function Failure({ test, index, bounds }: { test: TestCase; index: number; bounds: Bounds }): Html {
  const state = plainAnsiState()
  const detail = cutText(test.detail, bounds.detail)
  const message = withoutEscapes(cutText(test.message, bounds.detail))
  return (
    <details class="step" id={`failure-${index + 1}`} open={index < 10}>
      <summary>
        <span class="badge failure">failed</span> {cutText(nameOfTest(test), bounds.name)}
      </summary>
      {!withoutEscapes(detail).includes(message) && <p>{message}</p>}
      {detail !== '' && (
        <pre class="log" tabindex={0}>
          {detail.split('\n').map((line) => [...renderAnsiLine(line, state), '\n'])}
        </pre>
      )}
    </details>
  )
}

function TestTable({ rows, total }: { rows: string[]; total: number }) {
  const all = counted(total, 'test')
  return (
    <Table
      name="Tests"
      style=""
      caption={
        rows.length === total ? all : `${all}, showing the first ${formatCount(rows.length)}`
      }
      columns={['Result', 'Test', figures('Time')]}
    >
      {raw(rows.join(''))}
    </Table>
  )
}

const badges = { passed: 'success', failed: 'failure', skipped: 'skipped' }

function TestRow({ test, bounds }: { test: TestCase; bounds: Bounds }): Html {
  const { outcome, seconds, message } = test
  return (
    <tr>
      <td>
        <span class={`badge ${badges[outcome]}`}>{outcome}</span>
      </td>
      <th scope="row">
        {cutText(nameOfTest(test), bounds.name)}
        {outcome === 'skipped' && message !== '' && (
          <span class="quiet"> {withoutEscapes(cutText(message, bounds.name))}</span>
        )}
      </th>
      <td class="number">{seconds !== null && formatTestTime(seconds)}</td>
    </tr>
  )
}

function formatTestTime(seconds: number): string {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : formatDuration(seconds * 1000)
}

export async function coveragePreview(
  shown: ShownFile,
  { files, isWhole }: Coverage,
): Promise<Html> {
  const sorted = files.toSorted((a, b) => missed(b) - missed(a))
  const isBrief = shown.wantedBytes === 0
  const bounds = isBrief ? brief : full
  const rows = sorted.slice(0, bounds.rows)
  const row = (file: CoveredFile): Child => <CoverageRow file={file} bounds={bounds} />
  const { pieces } = await renderFitting(rows, row, previewBytesMax(shown))
  const count = pieces.length
  const lines = sumOf(files, 'lines')
  const branches = sumOf(files, 'branches')
  const cut = count === files.length ? '' : `, showing the first ${formatCount(count)}`
  return (
    <>
      <p>
        {formatCovered(lines)} of {counted(lines.found, 'line')} covered
        {branches.found > 0 &&
          `, ${formatCovered(branches)} of ${counted(branches.found, 'branch', 'branches')}`}
        .
      </p>
      {!isWhole && <Incomplete what="lines" />}
      <Table
        name="Coverage"
        style=""
        caption={`${counted(files.length, 'file')}, most uncovered lines first${cut}`}
        columns={['File', figures('Lines'), figures('Uncovered lines'), figures('Branches')]}
      >
        {raw(pieces.join(''))}
      </Table>
      {isBrief && count < files.length && <ShowMore {...shown} />}
    </>
  )
}

function CoverageRow({ file, bounds }: { file: CoveredFile; bounds: Bounds }): Html {
  return (
    <tr>
      <th scope="row">{cutText(file.path, bounds.name)}</th>
      <td class="number">{formatCovered(file.lines)}</td>
      <td class="number">{formatCount(missed(file))}</td>
      <td class="number">{formatCovered(file.branches)}</td>
    </tr>
  )
}

function missed({ lines }: CoveredFile): number {
  return lines.found - lines.hit
}
