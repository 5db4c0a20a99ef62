/** `/admin/maintenance`: garbage collection by hand, planned or done, with its progress. The page that shows a job reloads
 *  itself without scripts; with them its figures are filled in as they come. */
import type { Job } from '../lifecycle/jobs.ts'
import { formatSizeBytes } from '../core/units.ts'
import { Fact, Size, Time } from './format.tsx'
import type { Html } from './html.ts'

export interface MaintenanceView {
  job: Job | undefined
  deadBytes: number
  now: number
}

export function MaintenancePage({ job, deadBytes, now }: MaintenanceView): Html {
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
    </>
  )
}

function JobStatus({ job, now }: { job: Job; now: number }) {
  const isOver = job.state === 'done' || job.state === 'failed'
  return (
    <section aria-labelledby="job-title" data-job={isOver ? undefined : job.id}>
      <h2 id="job-title">
        {job.kind === 'gc' ? 'Garbage collection' : job.kind}{' '}
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
