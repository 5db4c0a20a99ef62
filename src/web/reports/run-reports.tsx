/** The reports of a run: links to open them, what they say, and the first failed tests. */
import type { Child } from 'hono/jsx'
import { counted, formatCount } from '../../core/units.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import type { Html } from '../parts/html.ts'
import { blobPath, treePath } from '../paths.ts'
import type { FailedTest, Reports } from './find-reports.ts'
import { formatCovered } from './coverage.ts'
import { failuresMax } from './report-summary.ts'

export interface ArtifactReports {
  artifact: Artifact
  reports: Reports
}

export function RunReports({ all }: { all: readonly ArtifactReports[] }): Html {
  const links = all.flatMap(linksOf)
  if (links.length === 0) return <></>
  return (
    <>
      <nav class="strip" aria-label="Reports">
        {links}
      </nav>
      <FailedTests all={all} />
    </>
  )
}

function linksOf({ artifact, reports: { page, tests, coverage } }: ArtifactReports): Html[] {
  const links: Html[] = []
  if (tests !== null) {
    const { place, failed, isWhole } = tests
    const href =
      'file' in place ? blobPath(artifact, place.file) : treePath(artifact, place.directory)
    links.push(
      <Report artifact={artifact} href={href}>
        {isWhole ? '' : 'at least '}
        {counted(tests.tests, 'test')}
        {', '}
        {failed === 0 ? 'none failed' : <span class="bad">{formatCount(failed)} failed</span>}
      </Report>,
    )
  }
  if (coverage !== null) {
    links.push(
      <Report artifact={artifact} href={blobPath(artifact, coverage.path)}>
        {formatCovered(coverage.lines)} of lines covered
      </Report>,
    )
  }
  if (page !== null) {
    links.push(
      <Report artifact={artifact} href={blobPath(artifact, page)}>
        {page}
      </Report>,
    )
  }
  return links
}

/** The text is a single flex item: whitespace between the items of a button is lost. */
function Report({
  artifact,
  href,
  children,
}: {
  artifact: Artifact
  href: string
  children?: Child
}): Html {
  return (
    <a class="button" href={href}>
      <span>
        <bdi>{artifact.name}</bdi>: {children}
      </span>
    </a>
  )
}

function FailedTests({ all }: { all: readonly ArtifactReports[] }): Html {
  const withTests = all.filter(({ reports }) => reports.tests !== null)
  const failed = withTests.reduce((sum, { reports }) => sum + (reports.tests?.failed ?? 0), 0)
  if (failed === 0) return <></>
  const first = withTests
    .flatMap(({ artifact, reports }) =>
      (reports.tests?.failures ?? []).map((failure) => ({ artifact, failure })),
    )
    .slice(0, failuresMax)
  return (
    <section aria-labelledby="failed-tests">
      <h2 id="failed-tests">Failed tests</h2>
      <ul class="failures">
        {first.map(({ artifact, failure }) => (
          <li>
            <a href={failurePath(artifact, failure)}>{failure.name}</a>
            {withTests.length > 1 && (
              <>
                {' '}
                in <bdi>{artifact.name}</bdi>
              </>
            )}
            {failure.message !== '' && <span class="quiet">: {failure.message}</span>}
          </li>
        ))}
      </ul>
      {failed > first.length && <p class="quiet">And {formatCount(failed - first.length)} more.</p>}
    </section>
  )
}

function failurePath(artifact: Artifact, { path, index }: FailedTest): string {
  return `${blobPath(artifact, path)}#failure-${index + 1}`
}
