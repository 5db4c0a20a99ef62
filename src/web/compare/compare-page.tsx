/** `/{o}/{r}/compare/{a}...{b}`: what differs between two artifacts. The tab Changes of an
 *  artifact shows the same summary and table. */
import { counted, formatDelta, formatShare, formatCount } from '../../core/units.ts'
import type { Child } from 'hono/jsx'
import type { Comparison } from '../../browse/compare.ts'
import { type Difference, deltaOf, sizeOf } from '../../browse/difference.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { CompareChooser, type Comparables } from './compare-chooser.tsx'
import { ArtifactLink } from '../parts/artifact-name.tsx'
import { BarTable } from '../parts/charts.tsx'
import { Delta, Fact, mode, Size, Time, SizeCell } from '../parts/format.tsx'
import { NoneMatch } from '../parts/form.tsx'
import type { Html } from '../parts/html.ts'
import { blobPath, comparePath, withQuery } from '../paths.ts'
import { figures, NextPage, Table } from '../parts/table.tsx'

export type DifferenceKind = Difference['kind']

const signs: Record<DifferenceKind, string> = {
  added: '+',
  removed: '−',
  changed: '±',
  moved: '→',
  mode: 'x',
}
export const differenceKinds = Object.keys(signs) as DifferenceKind[]

export interface CompareView {
  base: Artifact
  head: Artifact
  comparison: Comparison
  /** Address of this view, without filters. */
  address: string
  kind: DifferenceKind | undefined
  pageNumber: number
  now: number
}

const rowsPerPage = 200

/** `children`: the differences. */
export function ComparePage({
  base,
  head,
  comparables,
  now,
  children,
}: Pick<CompareView, 'base' | 'head' | 'now'> & {
  /** Undefined for visitors who may not see other runs. */
  comparables: Comparables | undefined
  children?: Child
}): Html {
  return (
    <>
      <h1>Compare</h1>
      <dl class="facts long">
        {(
          [
            ['From', base],
            ['To', head],
          ] as const
        ).map(([term, artifact]) => (
          <Fact term={term}>
            <ArtifactLink artifact={artifact} />, <Size bytes={artifact.logicalBytes} />,{' '}
            <Time at={artifact.createdAt} now={now} />
          </Fact>
        ))}
      </dl>
      <p>
        <a href={comparePath(head.project, head.id, base.id)}>Swap</a>
      </p>
      {comparables !== undefined && (
        <CompareChooser artifact={head} base={base} comparables={comparables} />
      )}
      {children}
    </>
  )
}

/** Summary, chart and table. */
export function Differences(view: CompareView): Html {
  const { base, head, comparison, kind, address } = view
  const all = comparison.differences
  const shown = kind === undefined ? all : all.filter((each) => each.kind === kind)
  const pageCount = Math.max(1, Math.ceil(shown.length / rowsPerPage))
  const pageNumber = Math.min(view.pageNumber, pageCount)
  const first = (pageNumber - 1) * rowsPerPage
  const page = shown.slice(first, first + rowsPerPage)
  const more = first + rowsPerPage < shown.length
  return (
    <>
      <Summary {...view} />
      {comparison.growth.directories.length > 0 && (
        <BarTable
          caption="Change by directory"
          first="Directory"
          second="Change"
          bars={comparison.growth.directories.map(({ directory, bytes, files }) => ({
            label: <DirectoryLabel directory={directory} files={files} />,
            bytes,
            note: formatDelta(bytes),
          }))}
        />
      )}
      {all.length > 0 && <KindFilter {...view} />}
      {!comparison.complete && (
        <p class="note">Not all differences are listed; the totals count all of them.</p>
      )}
      {page.length > 0 && <DifferenceTable base={base} head={head} differences={page} />}
      {page.length === 0 && all.length > 0 && <NoneMatch what="differences" all={address} />}
      <NextPage
        href={more ? withQuery(address, { kind: kind ?? '', page: String(pageNumber + 1) }) : null}
        label="More differences"
      />
    </>
  )
}

/** A long path may break after each slash. */
function DirectoryLabel({ directory, files }: { directory: string; files: number }) {
  return (
    <>
      {directory.split(/(?<=\/)/).map((segment) => (
        <>
          {segment}
          <wbr />
        </>
      ))}{' '}
      <span class="quiet">({counted(files, 'file')})</span>
    </>
  )
}

function Summary({ base, head, comparison }: CompareView) {
  const { totals, differences, growth } = comparison
  const { cause } = growth
  const delta = head.logicalBytes - base.logicalBytes
  if (differences.length === 0) {
    return (
      <p class="lead">
        Identical: the same {counted(totals.unchanged, 'entry', 'entries')}, byte for byte.
      </p>
    )
  }
  return (
    <p class="lead">
      <Delta bytes={delta} />
      {cause !== null && (
        <>
          , {formatShare(cause.share, 1)} of it from{' '}
          {cause.directory === '/' ? 'files at the root' : <code>{cause.directory}</code>}
        </>
      )}
      . {formatCount(totals.added)} added, {formatCount(totals.removed)} removed,{' '}
      {formatCount(totals.changed)} changed, {formatCount(totals.moved)} moved,{' '}
      {formatCount(totals.mode)} with a different mode, {formatCount(totals.unchanged)} unchanged.
    </p>
  )
}

function KindFilter({ address, kind, comparison }: CompareView) {
  return (
    <nav class="chips" aria-label="Kinds of difference">
      <a href={address} aria-current={kind === undefined ? 'true' : undefined}>
        all
      </a>
      {differenceKinds.map((each) => (
        <a
          href={withQuery(address, { kind: each })}
          aria-current={kind === each ? 'true' : undefined}
        >
          {each} {formatCount(comparison.totals[each])}
        </a>
      ))}
    </nav>
  )
}

function DifferenceTable({
  base,
  head,
  differences,
}: {
  base: Artifact
  head: Artifact
  differences: Difference[]
}) {
  return (
    <Table
      name="Entries that differ"
      columns={['Kind', 'Path', figures('Size'), figures('Change')]}
    >
      {differences.map((difference) => (
        <DifferenceRow base={base} head={head} difference={difference} />
      ))}
    </Table>
  )
}

function DifferenceRow({
  base,
  head,
  difference,
}: {
  base: Artifact
  head: Artifact
  difference: Difference
}) {
  const { kind, before, after } = difference
  const path = (after ?? before).entry.path
  const isFile = before?.entry.kind === 'file' && after?.entry.kind === 'file'
  const href =
    kind === 'changed' && isFile
      ? withQuery(comparePath(head.project, base.id, head.id), { file: path })
      : blobPath(after === null ? base : head, path)
  return (
    <tr>
      <td>
        <span class={`kind ${kind}`}>
          <span aria-hidden="true">{signs[kind]}</span> {kind}
        </span>
      </td>
      <th scope="row">
        {(after ?? before).entry.kind === 'file' ? <a href={href}>{path}</a> : path}
        {kind === 'moved' && <span class="quiet"> from {before.entry.path}</span>}
        {kind === 'mode' && (
          <span class="quiet">
            {' '}
            {mode(before.entry.mode)} → {mode(after.entry.mode)}
          </span>
        )}
      </th>
      <SizeCell bytes={sizeOf(after ?? before)} />
      <td class="number">
        <Delta bytes={deltaOf(difference)} />
      </td>
    </tr>
  )
}
