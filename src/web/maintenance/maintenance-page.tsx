/** `/admin/maintenance`: what the server does by itself, done by hand and watched: collecting garbage, reading everything
 *  back, a backup. */
import { counted, formatPeriod } from '../../core/units.ts'
import type { ClockDoubt } from '../../lifecycle/clock-watch.ts'
import type { Job } from '../../lifecycle/jobs.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { WholeArtifactLink } from '../parts/artifact-name.tsx'
import { Size, Time } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { JobState, JobStatus, jobTitle, outcomeOf } from './job-status.tsx'
import { maintenancePath } from '../paths.ts'
import { Table } from '../parts/table.tsx'

export interface MaintenanceView {
  /** The job of the address. */
  job: Job | undefined
  /** Whether the address names a job that nobody knows any more. */
  isForgotten: boolean
  /** Time between two collections by the clock, and how old a verification may get; null: never by itself. */
  collectEveryMs: number | null
  /** Why collections by the clock wait. */
  clockDoubt: ClockDoubt | null
  scrubEveryMs: number | null
  /** Of the store: what a whole pass goes through. */
  packs: number
  deadBytes: number
  /** When the pack that was verified longest ago was; null without packs. */
  verifiedAt: number | null
  damaged: Artifact[]
  damagedTotal: number
  /** Newest first, without the one of the address. */
  recent: Job[]
  now: number
}

export function MaintenancePage(view: MaintenanceView): Html {
  const { job, isForgotten, recent, packs, now } = view
  return (
    <>
      <h1>Maintenance</h1>
      {isForgotten && (
        <p class="note" role="status">
          Nothing is known of that job any more: it is long over, or the server was started anew.
        </p>
      )}
      {job !== undefined && <JobStatus job={job} packs={packs} now={now} />}
      <Damaged {...view} />
      <div class="cards">
        <Collection {...view} />
        <Scrub {...view} />
        <Backup />
      </div>
      <Recent jobs={recent} isRest={job !== undefined} now={now} />
    </>
  )
}

function Damaged({ damaged, damagedTotal }: MaintenanceView) {
  if (damagedTotal === 0) return <></>
  return (
    <div class="note" role="alert">
      <p>
        Stored bytes of {counted(damagedTotal, 'artifact')} are damaged. The next upload of the same
        content heals them.
      </p>
      <ul>
        {damaged.map((artifact) => (
          <li>
            <WholeArtifactLink artifact={artifact} />
          </li>
        ))}
        {damagedTotal > damaged.length && <li>and {damagedTotal - damaged.length} more</li>}
      </ul>
    </div>
  )
}

function ByItself({ everyMs, setting }: { everyMs: number | null; setting: string }) {
  return (
    <p>
      {everyMs === null
        ? `Never runs by itself: ${setting} is off.`
        : `Runs by itself about every ${formatPeriod(everyMs).replace(/^1 /, '')} (${setting}).`}
    </p>
  )
}

function WaitsForClock({ doubt: { aheadMs, waitMs } }: { doubt: ClockDoubt }) {
  return (
    <p class="note" role="status">
      The server’s clock is {formatPeriod(aheadMs)} ahead of the time that is known to have passed:
      it was set, or the server was down. So that nothing is lost to a wrong clock, nothing runs by
      itself for {formatPeriod(waitMs)} yet.
    </p>
  )
}

function Collection({ deadBytes, collectEveryMs, clockDoubt }: MaintenanceView) {
  return (
    <section class="card" aria-labelledby="collection">
      <h2 id="collection">Garbage collection</h2>
      <p id="dead-bytes" data-afterwards>
        <Size bytes={deadBytes} /> of the packs hold nothing that anybody needs.
      </p>
      <ByItself everyMs={collectEveryMs} setting="TROVE_GC_INTERVAL" />
      {clockDoubt !== null && <WaitsForClock doubt={clockDoubt} />}
      <p class="quiet">
        Expires what has had its time, deletes what nobody refers to and rewrites packs that are
        mostly dead. “All now” waits neither for the time in which a deletion can be undone nor for
        packs to be half dead.
      </p>
      <form method="post" action={maintenancePath()} class="buttons">
        <button name="action" value="plan">
          Dry run
        </button>
        <button name="action" value="collect" class="first">
          Collect
        </button>
        <button name="action" value="now">
          All now
        </button>
      </form>
    </section>
  )
}

function Scrub({ verifiedAt, packs, scrubEveryMs, now }: MaintenanceView) {
  return (
    <section class="card" aria-labelledby="scrub">
      <h2 id="scrub">Scrub</h2>
      <p id="verified" data-afterwards>
        {verifiedAt === null ? (
          'There are no packs yet.'
        ) : (
          <>
            Of {counted(packs, 'pack')}, the one verified longest ago was verified{' '}
            <Time at={verifiedAt} now={now} />.
          </>
        )}
      </p>
      <ByItself everyMs={scrubEveryMs} setting="TROVE_SCRUB_INTERVAL" />
      <p class="quiet">
        Reads everything back and checks it against its digests. What is bad counts as missing from
        then on, and its artifacts name the damaged files.
      </p>
      <form method="post" action={maintenancePath()} class="buttons">
        <button name="action" value="scrub">
          Read everything back
        </button>
      </form>
    </section>
  )
}

function Backup() {
  return (
    <section class="card" aria-labelledby="backup">
      <h2 id="backup">Backup</h2>
      <p class="quiet">
        A copy of the whole store, while it goes on, that <code>trove serve --data</code> can start
        from.
      </p>
      <form method="post" action={maintenancePath()} class="stack">
        <label class="wide">
          New directory on the server’s machine
          <input name="destination" required pattern="/.*[^\/]" placeholder="/mnt/backup/trove" />
        </label>
        <label class="check">
          <input type="checkbox" name="copies" value="1" /> share no bytes with the store (no hard
          links)
        </label>
        <div class="buttons">
          <button name="action" value="backup">
            Back up
          </button>
        </div>
      </form>
    </section>
  )
}

/** `isRest`: another job is shown already. */
function Recent({ jobs, isRest, now }: { jobs: Job[]; isRest: boolean; now: number }) {
  return (
    <section aria-labelledby="recent">
      <h2 id="recent">Lately</h2>
      {jobs.length === 0 ? (
        <p class="quiet">Nothing {isRest && 'else '}has run since the server started.</p>
      ) : (
        <RecentTable jobs={jobs} now={now} />
      )}
    </section>
  )
}

function RecentTable({ jobs, now }: { jobs: Job[]; now: number }) {
  return (
    <Table name="Jobs, newest first" columns={['Job', 'Asked for by', 'State', 'Begun', 'Outcome']}>
      {jobs.map((job) => (
        <tr>
          <th scope="row">
            <a href={maintenancePath(job.id)}>{jobTitle(job)}</a>
          </th>
          <td>{job.origin === 'schedule' ? 'the clock' : 'somebody'}</td>
          <td>
            <JobState job={job} />
          </td>
          <td>
            <Time at={job.createdAt} now={now} />
          </td>
          <td>{outcomeOf(job)}</td>
        </tr>
      ))}
    </Table>
  )
}
