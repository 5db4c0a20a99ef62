/** `.../history/{path}`: the versions of one file, newest first. */
import type { FileVersion, History } from '../../browse/history.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { counted } from '../../core/units.ts'
import { OnBranch } from '../parts/artifact-name.tsx'
import { mode, ShortDigest, Size, TimeCell } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { CommitCell } from '../parts/run-facts.tsx'
import { figures, NextPage, Table } from '../parts/table.tsx'
import { blobPath, comparePath, historyPagePath, withQuery } from '../paths.ts'
import { FileTrail } from './files-tab.tsx'

export interface HistoryView {
  artifact: Artifact
  path: string
  history: History
  now: number
}

export function HistoryPage(view: HistoryView): Html {
  const { artifact, path, history, now } = view
  return (
    <>
      <h1 class="trail">
        <FileTrail artifact={artifact} path={path} />
      </h1>
      <p class="lead">
        History of <a href={blobPath(artifact, path)}>this file</a>:{' '}
        {counted(history.versions.length, 'version')} in artifacts named <bdi>{artifact.name}</bdi>
        <OnBranch artifact={artifact} />, up to run {artifact.runNumber}. Artifacts that have
        expired or were deleted are not included.
      </p>
      <Table
        name={`Versions of ${path}`}
        columns={[
          'Since',
          'Run',
          'Commit',
          figures('Size'),
          'Mode',
          'Content',
          figures('Artifacts'),
          'Compare',
        ]}
      >
        {history.versions.map((version, index) => (
          <VersionRow version={version} older={history.versions[index + 1]} path={path} now={now} />
        ))}
      </Table>
      <NextPage
        href={
          history.next === null
            ? null
            : withQuery(historyPagePath(artifact, path), { before: String(history.next) })
        }
        label="Older versions"
      />
    </>
  )
}

function VersionRow({
  version,
  older,
  path,
  now,
}: {
  version: FileVersion
  older: FileVersion | undefined
  path: string
  now: number
}): Html {
  const { found, newest, oldest, artifacts } = version
  const entry = found?.entry
  const isComparable = entry?.kind === 'file' && older?.found?.entry.kind === 'file'
  return (
    <tr>
      <TimeCell at={oldest.createdAt} now={now} />
      <th scope="row">
        {entry?.kind === 'file' || entry?.kind === 'symlink' ? (
          <a href={blobPath(oldest, path)}>{oldest.runNumber}</a>
        ) : (
          oldest.runNumber
        )}
      </th>
      <CommitCell of={oldest} />
      <td class="number">{entry?.kind === 'file' ? <Size bytes={entry.sizeBytes} /> : '–'}</td>
      <td class="digest">{entry === undefined ? '–' : mode(entry.mode)}</td>
      <td>
        {entry === undefined && <span class="quiet">absent</span>}
        {entry?.kind === 'file' && <ShortDigest digest={entry.digest} />}
        {entry?.kind === 'symlink' && (
          <>
            → <bdi>{entry.target}</bdi>
          </>
        )}
      </td>
      <td class="number">{artifacts}</td>
      <td>
        {isComparable && (
          <a
            href={withQuery(comparePath(newest.project, older.newest.id, oldest.id), {
              file: path,
            })}
          >
            diff
          </a>
        )}
      </td>
    </tr>
  )
}
