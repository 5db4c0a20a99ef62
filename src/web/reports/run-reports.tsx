/** The reports of a run: links to open them, what they say, and the first failed tests. */
import type { Child } from 'hono/jsx'
import { counted, formatCount } from '../../core/units.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { AndMore, shortened } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { Table } from '../parts/table.tsx'
import { blobPath, treePath } from '../paths.ts'
import { type FailedTest, type Reports, unreadMax } from './find-reports.ts'
import { formatCovered } from './coverage.ts'
import { failuresMax } from './report-summary.ts'

export interface ArtifactReports {
  artifact: Artifact
  reports: Reports
}

export function RunReports({
  all,
  searched,
}: {
  all: readonly ArtifactReports[]
  /** How many artifacts of the page were searched for reports; null if all were. */
  searched: number | null
}): Html {
  const failedOf = ({ reports }: ArtifactReports): number => reports.tests?.failed ?? 0
  const rows = all
    .filter(({ reports }) => columns.some(([kind]) => reports[kind] !== null))
    .toSorted((a, b) => failedOf(b) - failedOf(a))
  const hasUnread = all.some(({ reports }) => reports.unread.count > 0)
  if (rows.length === 0 && !hasUnread) return <></>
  const has = (kind: ReportKind): boolean => rows.some(({ reports }) => reports[kind] !== null)
  const kinds = columns.filter(([kind]) => has(kind))
  const table = (
    <Table name="Reports" columns={['Artifact', ...kinds.map(([, label]) => label)]}>
      {rows.map((each) => (
        <tr>
          <th scope="row">
            <bdi>{each.artifact.name}</bdi>
          </th>
          {kinds.map(([kind]) => (
            <td>
              <Report {...each} kind={kind} />
            </td>
          ))}
        </tr>
      ))}
    </Table>
  )
  return (
    <>
      <h2>Reports</h2>
      {rows.length > 0 && rows.length <= openMax && table}
      {rows.length > openMax && (
        <details class="aside">
          <summary>{totalOf(rows)}</summary>
          {table}
        </details>
      )}
      {searched !== null && (
        <p class="quiet">Only the first {searched} artifacts below were searched for reports.</p>
      )}
      {hasUnread && <Unread all={all} />}
      <FailedTests all={all} />
    </>
  )
}

type ReportKind = Exclude<keyof Reports, 'unread'>

const columns: [ReportKind, string][] = [
  ['tests', 'Tests'],
  ['coverage', 'Coverage'],
  ['page', 'Report'],
]

/** More rows are folded: the artifacts are below them. */
const openMax = 5

/** Coverage is not added up, since several artifacts may cover the same lines. */
function totalOf(rows: readonly ArtifactReports[]): Child {
  const tests = rows.flatMap(({ reports }) => reports.tests ?? [])
  const artifacts = counted(rows.length, 'artifact')
  if (tests.length === 0) return artifacts
  const sum = {
    tests: tests.reduce((total, each) => total + each.tests, 0),
    failed: tests.reduce((total, each) => total + each.failed, 0),
    isWhole: tests.every(({ isWhole }) => isWhole),
  }
  return (
    <>
      {artifacts}: <TestCount {...sum} />
    </>
  )
}

function TestCount({
  tests,
  failed,
  isWhole,
}: {
  tests: number
  failed: number
  isWhole: boolean
}): Html {
  return (
    <>
      {isWhole ? '' : 'at least '}
      {counted(tests, 'test')}
      {', '}
      {failed === 0 ? 'none failed' : <span class="bad">{formatCount(failed)} failed</span>}
    </>
  )
}

/** Empty if the artifact has none of the kind. */
function Report({
  artifact,
  reports: { page, tests, coverage },
  kind,
}: ArtifactReports & { kind: ReportKind }): Html {
  if (kind === 'tests' && tests !== null) {
    const { place } = tests
    const href =
      'file' in place ? blobPath(artifact, place.file) : treePath(artifact, place.directory)
    return (
      <a href={href}>
        <TestCount {...tests} />
      </a>
    )
  }
  if (kind === 'coverage' && coverage !== null)
    return (
      <a href={blobPath(artifact, coverage.path)}>
        {formatCovered(coverage.lines)} of lines{!coverage.isWhole && ', incomplete'}
      </a>
    )
  if (kind === 'page' && page !== null) return <a href={blobPath(artifact, page)}>{page}</a>
  return <></>
}

function Unread({ all }: { all: readonly ArtifactReports[] }): Html {
  const count = all.reduce((sum, { reports }) => sum + reports.unread.count, 0)
  const first = all
    .flatMap(({ artifact, reports }) => reports.unread.first.map((file) => ({ artifact, ...file })))
    .slice(0, unreadMax)
  return (
    <div class="note">
      <p>Could not be read:</p>
      <ul>
        {first.map(({ artifact, path, reason }) => (
          <li>
            <a href={blobPath(artifact, path)}>{shortened(path)}</a> in <bdi>{artifact.name}</bdi>:{' '}
            {reason}
          </li>
        ))}
        <AndMore count={count - first.length} />
      </ul>
    </div>
  )
}

function FailedTests({ all }: { all: readonly ArtifactReports[] }): Html {
  const tested = all.flatMap(({ artifact, reports: { tests } }) =>
    tests === null ? [] : [{ artifact, tests }],
  )
  const failed = tested.reduce((sum, { tests }) => sum + tests.failed, 0)
  if (failed === 0) return <></>
  const first = tested
    .flatMap(({ artifact, tests }) => tests.failures.map((failure) => ({ artifact, failure })))
    .slice(0, failuresMax)
  return (
    <>
      <h3>Failed tests</h3>
      <ul>
        {first.map(({ artifact, failure }) => (
          <li>
            <a href={failurePath(artifact, failure)}>{failure.name}</a>
            {tested.length > 1 && (
              <>
                {' '}
                in <bdi>{artifact.name}</bdi>
              </>
            )}
            {failure.message !== '' && <span class="quiet">: {failure.message}</span>}
          </li>
        ))}
        <AndMore count={failed - first.length} />
      </ul>
    </>
  )
}

function failurePath(artifact: Artifact, { path, index }: FailedTest): string {
  return `${blobPath(artifact, path)}#failure-${index + 1}`
}
