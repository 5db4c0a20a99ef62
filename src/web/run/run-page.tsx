/** `/{o}/{r}/actions/runs/{run}`: the artifacts of a run and, if a runner recorded it, its
 *  annotations above them, and its summaries and jobs below. Expired and deleted artifacts keep
 *  their row. */
import type { Child } from 'hono/jsx'
import { counted, formatCount } from '../../core/units.ts'
import { runArchivePath } from '../../api/paths.ts'
import { isLive } from '../../core/policy/retention.ts'
import type { Arrival } from '../../http/upload/arrivals.ts'
import type { Artifact, Run } from '../../metadata/metadata.ts'
import { ArtifactName, Expiry } from '../parts/artifact-name.tsx'
import { UploadHint } from '../parts/commands.tsx'
import { Delta, ShortDigest, SizeCell } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { RunHead } from './run-head.tsx'
import { type JobsView, liveWhileRunning, RunJobs } from './run-jobs.tsx'
import { Annotations, type ShownStepReports, Summaries } from './step-reports.tsx'
import { ArrivalList } from './arrival-list.tsx'
import { actionPath, archivePartPath, artifactPath, comparePath, listPath } from '../paths.ts'
import { figures, NextPage, Table } from '../parts/table.tsx'
import { Untrusted } from '../parts/untrusted.tsx'

export interface RunView {
  run: Run
  /** The previous attempt; undefined if unknown. */
  attemptBefore: Run | undefined
  artifacts: Artifact[]
  total: number
  /** Uploads in progress. */
  arrivals: Arrival[]
  /** By artifact id: the artifact of the same name in the previous run on the branch. */
  previous: Map<number, Artifact>
  /** Shown above the table. */
  reports: Child
  /** Undefined if no runner recorded the run. */
  recorded: RecordedView | undefined
  mayDelete: (artifact: Artifact) => boolean
  /** Address of the next page of artifacts; null on the last page. */
  more: string | null
  now: number
}

/** What a runner recorded, as far as it fits on the page. */
export interface RecordedView extends JobsView {
  reported: ShownStepReports
}

export function RunPage(view: RunView): Html {
  const { run, artifacts, more, now, reports, recorded } = view
  const live = artifacts.filter((each) => isLive(each, now))
  return (
    <>
      <h1>Run {run.number}</h1>
      <RunHead {...view} />
      <Untrusted run={run} />
      <div id="reports" data-afterwards>
        {reports}
      </div>
      {recorded !== undefined && (
        <div id="annotated" {...liveWhileRunning(recorded.record)}>
          <Annotations {...recorded.reported} />
        </div>
      )}
      <Artifacts {...view} />
      <NextPage href={more} label="More artifacts" />
      {live.length > 0 && (
        <p class="buttons">
          <DownloadAll run={run} intact={live.some(({ state }) => state === 'damaged')} />
        </p>
      )}
      {recorded !== undefined && (
        <>
          <div id="summarized" {...liveWhileRunning(recorded.record)}>
            <Summaries run={run} reports={recorded.reported} />
          </div>
          <RunJobs {...recorded} run={run} />
        </>
      )}
    </>
  )
}

/** `intact`: without damaged files, which would make the archive fail. */
function DownloadAll({ run, intact }: { run: Run; intact: boolean }) {
  const href = runArchivePath(run.number, run.project)
  return (
    <a class="button" href={intact ? `${href}&intact=1` : href} data-key="d">
      Download all{intact && ' intact files'}
    </a>
  )
}

/** The section that scripts refresh while the run or an upload is in progress
 *  (browser/live.ts). */
function Artifacts(view: RunView) {
  const { run, artifacts, arrivals, now } = view
  const isArriving = arrivals.length > 0
  return (
    <div
      id="artifacts"
      {...(isArriving
        ? { 'data-live': `${counted(arrivals.length, 'upload')} in progress` }
        : liveWhileRunning(view.recorded?.record))}
      data-ended={`${counted(view.total, 'artifact')}, no uploads in progress`}
    >
      <h2>Artifacts</h2>
      {isArriving && <ArrivalList arrivals={arrivals} now={now} />}
      {view.total > artifacts.length && (
        <p>
          <a href={listPath(run.project, { run: String(run.number) })}>Filter and sort all</a>
        </p>
      )}
      {artifacts.length > 0 && <ArtifactTable {...view} />}
      {artifacts.length === 0 && !isArriving && (
        <UploadHint reason="This run has no artifacts." project={run.project} run={run.number} />
      )}
    </div>
  )
}

function ArtifactTable({ artifacts, total, previous, mayDelete, now }: RunView) {
  const hasPrevious = previous.size > 0
  return (
    <Table
      name="Artifacts"
      caption={counted(total, 'artifact')}
      columns={[
        'Name',
        figures('Files'),
        figures('Size'),
        ...(hasPrevious ? [figures('vs previous run')] : []),
        figures('New bytes'),
        'Digest',
        'Expires',
        'Actions',
      ]}
    >
      {artifacts.map((each) => (
        <ArtifactRow
          artifact={each}
          before={hasPrevious ? (previous.get(each.id) ?? null) : undefined}
          mayDelete={mayDelete(each)}
          now={now}
        />
      ))}
    </Table>
  )
}

function ArtifactRow({
  artifact,
  before,
  mayDelete,
  now,
}: {
  artifact: Artifact
  /** Undefined: the table lacks this column. */
  before: Artifact | null | undefined
  mayDelete: boolean
  now: number
}) {
  return (
    <tr class={isLive(artifact, now) ? '' : 'gone'}>
      <th scope="row">
        <ArtifactName artifact={artifact} now={now} />
      </th>
      <td class="number">{formatCount(artifact.fileCount)}</td>
      <SizeCell bytes={artifact.logicalBytes} />
      {before !== undefined && (
        <td class="number">
          {before === null ? <>–</> : <Since artifact={artifact} before={before} />}
        </td>
      )}
      <SizeCell bytes={artifact.newBytes} />
      <td>
        <ShortDigest digest={artifact.zipDigest ?? artifact.treeDigest} />
      </td>
      <td>
        <Expiry artifact={artifact} now={now} />
      </td>
      <td class="actions">
        {isLive(artifact, now) && <RowActions artifact={artifact} mayDelete={mayDelete} />}
      </td>
    </tr>
  )
}

function Since({ artifact, before }: { artifact: Artifact; before: Artifact }) {
  if (artifact.treeDigest === before.treeDigest) {
    return (
      <span class="quiet">
        same as <a href={artifactPath(before)}>run {before.runNumber}</a>
      </span>
    )
  }
  return (
    <a href={comparePath(artifact.project, before.id, artifact.id)}>
      <Delta bytes={artifact.logicalBytes - before.logicalBytes} />
    </a>
  )
}

function RowActions({ artifact, mayDelete }: { artifact: Artifact; mayDelete: boolean }) {
  const intact = artifact.state === 'damaged'
  const what = `${intact ? 'the intact files of ' : ''}${artifact.name}`
  return (
    <>
      {(['zip', 'tar.gz'] as const).map((format) => (
        <a
          href={archivePartPath(artifact.id, format, { intact })}
          aria-label={`Download ${what} as ${format}`}
        >
          {format}
        </a>
      ))}
      {mayDelete && (
        <a
          class="bad"
          href={actionPath(artifact, 'delete')}
          aria-label={`Delete ${artifact.name}`}
          data-dialog
        >
          delete
        </a>
      )}
    </>
  )
}
