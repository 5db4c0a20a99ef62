/** `/admin/maintenance`: starts garbage collection, scrub, metadata snapshots and backup by hand
 *  and shows their progress. The server also runs all but the last on a schedule. */
import { counted, formatPeriod } from '../../core/units.ts'
import type { ClockDoubt } from '../../lifecycle/clock-watch.ts'
import type { Job } from '../../lifecycle/background/jobs.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { WholeArtifactLink } from '../parts/artifact-name.tsx'
import { AndMore, Size, Time, TimeCell } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { MetadataSnapshot, type Snapshots } from './metadata-snapshot.tsx'
import { JobState, JobStatus, jobTitle, outcomeOf } from './job-status.tsx'
import { maintenancePath, withQuery } from '../paths.ts'
import { Table } from '../parts/table.tsx'

export interface MaintenanceView {
  /** The job in the address. */
  job: Job | undefined
  /** Whether the address names an unknown job. */
  isUnknownJob: boolean
  /** Whether to ask for confirmation of a collection that ends all undoing. */
  confirmsNow: boolean
  /** Size of the deleted artifacts that can still be restored. */
  removedBytes: number
  /** Time between scheduled collections; null: none are scheduled. */
  collectEveryMs: number | null
  /** Why scheduled collections are on hold; null if they are not. */
  clockDoubt: ClockDoubt | null
  /** Age of a pack's last verification at which a scrub is due; null: none are scheduled. */
  scrubEveryMs: number | null
  /** Number of packs in the store. */
  packs: number
  deadBytes: number
  /** When the pack that has waited longest for a scrub was last verified; null without packs. */
  verifiedAt: number | null
  /** Null when the packs are not in a bucket. */
  snapshots: Snapshots | null
  damaged: Artifact[]
  damagedTotal: number
  /** Newest first, without the job in the address. */
  recent: Job[]
  now: number
}

export function MaintenancePage(view: MaintenanceView): Html {
  const { job, isUnknownJob, recent, packs, now } = view
  return (
    <>
      <h1>Maintenance</h1>
      {isUnknownJob && (
        <p class="note" role="status">
          This job is no longer known: it ended long ago, or the server was restarted.
        </p>
      )}
      {view.confirmsNow && <ConfirmNow removedBytes={view.removedBytes} />}
      {job !== undefined && <JobStatus job={job} packs={packs} now={now} />}
      <Damaged {...view} />
      <div class="cards">
        <Collection {...view} />
        <Scrub {...view} />
        {view.snapshots !== null && <MetadataSnapshot {...view.snapshots} now={now} />}
        <Backup />
      </div>
      <Recent jobs={recent} isRest={job !== undefined} now={now} />
    </>
  )
}

function ConfirmNow({ removedBytes }: Pick<MaintenanceView, 'removedBytes'>) {
  return (
    <section class="note" aria-labelledby="confirm">
      <h2 id="confirm">Collect everything now?</h2>
      <p>
        {removedBytes === 0 ? (
          'No deleted artifact could be restored now.'
        ) : (
          <>
            Deleted artifacts of <Size bytes={removedBytes} /> can still be restored. Afterwards
            they cannot.
          </>
        )}{' '}
        Rewriting all packs with dead bytes can take long.
      </p>
      <form method="post" action={maintenancePath()} class="buttons">
        <button name="action" value="now" class="danger">
          Collect everything
        </button>
        <a class="button" href={maintenancePath()}>
          Cancel
        </a>
      </form>
    </section>
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
        <AndMore count={damagedTotal - damaged.length} />
      </ul>
    </div>
  )
}

function Schedule({ everyMs, setting }: { everyMs: number | null; setting: string }) {
  return (
    <p>
      {everyMs === null
        ? `Does not run automatically: ${setting} is off.`
        : `Runs automatically about every ${formatPeriod(everyMs).replace(/^1 /, '')} (${setting}).`}
    </p>
  )
}

function WaitsForClock({ doubt: { aheadMs, waitMs } }: { doubt: ClockDoubt }) {
  return (
    <p class="note" role="status">
      The server’s clock is {formatPeriod(aheadMs)} ahead of the time known to have passed: the
      clock was set, or the server was down. To lose nothing to a wrong clock, automatic runs are on
      hold for another {formatPeriod(waitMs)}.
    </p>
  )
}

function Collection({ deadBytes, collectEveryMs, clockDoubt }: MaintenanceView) {
  return (
    <section class="card" aria-labelledby="collection">
      <h2 id="collection">Garbage collection</h2>
      <p id="dead-bytes" data-afterwards>
        <Size bytes={deadBytes} /> of the packs are no longer needed.
      </p>
      <Schedule everyMs={collectEveryMs} setting="TROVE_GC_INTERVAL" />
      {clockDoubt !== null && <WaitsForClock doubt={clockDoubt} />}
      <p class="quiet">
        Expires artifacts whose time is over, deletes data that no artifact refers to, and rewrites
        packs that are mostly dead. “All now” does not wait until deletions can no longer be undone
        or packs are half dead.
      </p>
      <form method="post" action={maintenancePath()} class="buttons">
        <button name="action" value="plan">
          Dry run
        </button>
        <button name="action" value="collect" class="first">
          Collect
        </button>
        <a class="button" href={withQuery(maintenancePath(), { confirm: 'now' })}>
          All now…
        </a>
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
            {counted(packs, 'pack')}; the oldest verification was <Time at={verifiedAt} now={now} />
            .
          </>
        )}
      </p>
      <Schedule everyMs={scrubEveryMs} setting="TROVE_SCRUB_INTERVAL" />
      <p class="quiet">
        Reads everything back and checks it against its digests. Damaged data counts as missing from
        then on, and the pages of its artifacts list the damaged files.
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
        Copies the whole store while it is in use. <code>trove serve --data</code> can start from
        the copy.
      </p>
      <form method="post" action={maintenancePath()} class="stack">
        <label class="wide">
          New directory on the server
          <input name="destination" required pattern="/.*[^\/]" placeholder="/mnt/backup/trove" />
        </label>
        <label class="check">
          <input type="checkbox" name="copies" value="1" /> copy all bytes (no hard links to the
          store or another backup)
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

/** `isRest`: another job is already shown above. */
function Recent({ jobs, isRest, now }: { jobs: Job[]; isRest: boolean; now: number }) {
  return (
    <section aria-labelledby="recent">
      <h2 id="recent">Recent jobs</h2>
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
    <Table name="Jobs, newest first" columns={['Job', 'Started by', 'State', 'Started', 'Outcome']}>
      {jobs.map((job) => (
        <tr>
          <th scope="row">
            <a href={maintenancePath(job.id)}>{jobTitle(job)}</a>
          </th>
          <td>{job.origin === 'schedule' ? 'schedule' : 'an administrator'}</td>
          <td>
            <JobState job={job} />
          </td>
          <TimeCell at={job.createdAt} now={now} />
          <td>{outcomeOf(job)}</td>
        </tr>
      ))}
    </Table>
  )
}
