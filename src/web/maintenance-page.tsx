/** `/admin/maintenance`: garbage collection by hand, planned or done, with its progress. The page that shows a job reloads
 *  itself without scripts; with them its figures are filled in as they come. */
import type { Job } from '../lifecycle/jobs.ts'
import { formatDuration, formatSizeBytes } from '../core/units.ts'
import { Fact, Size, Time } from './format.tsx'
import type { Html } from './html.ts'
import { figures, Table } from './table.tsx'

export interface MaintenanceView {
  job: Job | undefined
  /** The newest first. */
  recent: readonly Job[]
  /** Time between two rounds by the clock; null when there are none. */
  intervalMs: number | null
  deadBytes: number
  now: number
}

export function MaintenancePage({
  job,
  recent,
  intervalMs,
  deadBytes,
  now,
}: MaintenanceView): Html {
  return (
    <>
      <h1>Maintenance</h1>
      <p class="lead">
        <Size bytes={deadBytes} /> of the packs hold nothing that anybody needs.
      </p>
      <form method="post" action="/admin/maintenance" class="buttons">
        <button name="action" value="plan">
          Dry run
        </button>
        <button name="action" value="collect" class="first">
          Collect garbage
        </button>
        <button name="action" value="now">
          Collect all of it now
        </button>
      </form>
      <p class="quiet">
        Collecting expires what has had its time, deletes what nobody refers to and rewrites packs
        that are mostly dead. The last one does not wait for the time in which a deletion can be
        undone.
      </p>
      {job !== undefined && <JobStatus job={job} now={now} />}
      <h2>By the clock</h2>
      <p>
        {intervalMs === null
          ? 'No round runs by itself: TROVE_GC_INTERVAL is off.'
          : `A round runs by itself about every ${formatDuration(intervalMs)} (TROVE_GC_INTERVAL).`}
      </p>
      <RecentJobs jobs={recent} now={now} />
    </>
  )
}

function RecentJobs({ jobs, now }: { jobs: readonly Job[]; now: number }) {
  if (jobs.length === 0) return <p class="quiet">Nothing has run since the server started.</p>
  return (
    <Table
      name="Recent work"
      columns={['What', 'Asked for by', 'State', 'Begun', figures('Freed')]}
    >
      {jobs.map((job) => (
        <tr>
          <td>
            <a href={`/admin/maintenance?job=${job.id}`}>{nameOf(job)}</a>
          </td>
          <td>{job.origin === 'schedule' ? 'the clock' : 'somebody'}</td>
          <td>
            <span class={`badge ${job.state}`}>{job.state}</span>
          </td>
          <td>
            <Time at={job.createdAt} now={now} />
          </td>
          <td class="number">
            {'freedBytes' in job.progress && typeof job.progress.freedBytes === 'number' ? (
              <Size bytes={job.progress.freedBytes} />
            ) : (
              '–'
            )}
          </td>
        </tr>
      ))}
    </Table>
  )
}

function nameOf({ kind }: Job): string {
  return kind === 'gc' ? 'Garbage collection' : kind.charAt(0).toUpperCase() + kind.slice(1)
}

function JobStatus({ job, now }: { job: Job; now: number }) {
  const isOver = job.state === 'done' || job.state === 'failed'
  return (
    <section aria-labelledby="job-title" data-job={isOver ? undefined : job.id}>
      <h2 id="job-title">
        {nameOf(job)}{' '}
        <span class={`badge ${job.state}`} data-job-state>
          {job.state}
        </span>
      </h2>
      <p>
        Begun <Time at={job.createdAt} now={now} />
        {job.endedAt !== null && (
          <>
            , ended <Time at={job.endedAt} now={now} />
          </>
        )}
        .
      </p>
      {job.error !== null && (
        <p class="note" role="alert">
          It failed. The log of the server says why.
        </p>
      )}
      <dl class="facts" data-job-figures>
        {Object.entries(job.progress)
          .filter((entry): entry is [string, number] => typeof entry[1] === 'number')
          .map(([name, value]) => (
            <Fact term={figureNames[name] ?? name}>
              <span data-figure={name}>
                {name.endsWith('Bytes') ? formatSizeBytes(value) : value.toLocaleString('en')}
              </span>
            </Fact>
          ))}
      </dl>
      {!isOver && (
        <p>
          <a class="button" href="">
            Refresh
          </a>
        </p>
      )}
    </section>
  )
}

const figureNames: Record<string, string> = {
  expired: 'Artifacts expired',
  deletedArtifacts: 'Deleted artifacts let go',
  freedBytes: 'Freed',
  waitingBytes: 'Waiting for a grace or a reader',
  removedBlobs: 'Pieces removed',
  removedPacks: 'Packs removed',
  rewrittenPacks: 'Packs rewritten',
}
