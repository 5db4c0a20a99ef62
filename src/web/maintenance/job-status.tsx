/** One maintenance job: its progress, its figures and its outcome. While it runs, scripts fetch
 *  the section again (browser/live.ts); without scripts a link reloads it. */
import { StoreError } from '../../core/errors.ts'
import { formatDuration, formatSizeBytes, counted, formatCount } from '../../core/units.ts'
import type { Job } from '../../lifecycle/background/jobs.ts'
import type { DamagedArtifact } from '../../lifecycle/scrub/scrub.ts'
import { artifactPagePath } from '../../api/paths.ts'
import { Fact, Time } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { maintenancePath } from '../paths.ts'

/** `packs`: number of packs in the store, the total of a scrub's or a backup's progress. */
export function JobStatus({ job, packs, now }: { job: Job; packs: number; now: number }): Html {
  const isOver = job.endedAt !== null
  const share = isOver ? null : shareOf(job, packs)
  const announcement = `${jobTitle(job)} ${job.state}${share === null ? '' : `, ${share.text}`}`
  return (
    <section
      id="job"
      class="card"
      aria-labelledby="job-title"
      data-live={isOver ? undefined : announcement}
      data-ended={isOver ? announcement : undefined}
    >
      <h2 id="job-title">
        {jobTitle(job)} <JobState job={job} />
      </h2>
      <p class="quiet">
        Started <Time at={job.createdAt} now={now} />
        {job.endedAt !== null && <>, took {formatDuration(job.endedAt - job.createdAt)}</>}.
      </p>
      {job.dryRun && <p class="quiet">Changes nothing: the figures are what a run would do.</p>}
      {!isOver && (
        <p class="progress">
          {share === null ? (
            <progress aria-label="Progress" />
          ) : (
            <>
              <progress aria-label="Progress" max={share.whole} value={share.part} /> {share.text}
            </>
          )}
        </p>
      )}
      {job.error !== null && (
        <p class="note" role="alert">
          Failed: {failureText(job)}.
        </p>
      )}
      {job.state === 'cancelled' && <p class="quiet">What it did until then stays done.</p>}
      {job.error === null && <Figures job={job} />}
      {!isOver && (
        <form method="post" action={maintenancePath()} class="buttons">
          <input type="hidden" name="job" value={job.id} />
          <button name="action" value="cancel">
            Cancel
          </button>
          <a class="button no-script" href={maintenancePath(job.id)}>
            Refresh
          </a>
        </form>
      )}
    </section>
  )
}

/** The state in words, since colour alone is not accessible. */
export function JobState({ job }: { job: Job }): Html {
  return <span class={`badge ${job.state}`}>{job.state}</span>
}

const titles: Record<string, string> = {
  gc: 'Garbage collection',
  scrub: 'Scrub',
  backup: 'Backup',
  snapshot: 'Metadata snapshot',
}

export function jobTitle({ kind, dryRun }: Job): string {
  return (titles[kind] ?? kind) + (dryRun ? ', dry run' : '')
}

/** The outcome of a job in a few words; '' without one. */
export function outcomeOf(job: Job): string {
  if (job.endedAt === null || job.state === 'cancelled') return ''
  if (job.error !== null) return failureText(job)
  const figure = (name: string): number => numberOf(job.progress, name)
  switch (job.kind) {
    case 'gc':
      return `${job.dryRun ? 'would free' : 'freed'} ${shownBytes(figure('freedBytes'))}`
    case 'scrub':
      return figure('damagedCopies') === 0
        ? `${counted(figure('packs'), 'pack')} read, no damage found`
        : `damage in ${counted(figure('damagedArtifacts'), 'artifact')}`
    case 'backup':
      return `${formatSizeBytes(figure('packBytes'))} in ${pathOf(job.progress)}`
    case 'snapshot':
      return `number ${figure('number')}, ${formatSizeBytes(figure('snapshotBytes'))}`
    default:
      return ''
  }
}

/** The message of an unexpected error may contain paths, so it is only in the log. */
function failureText({ error }: Job): string {
  return error instanceof StoreError ? error.message : 'see the server log for the reason'
}

/** The progress in packs; null for jobs whose total is unknown. The store may gain packs
 *  meanwhile. */
function shareOf(job: Job, packs: number): { part: number; whole: number; text: string } | null {
  if (job.kind !== 'scrub' && job.kind !== 'backup') return null
  const part = numberOf(job.progress, 'packs')
  const whole = Math.max(packs, part, 1)
  return { part, whole, text: `${formatCount(part)} of ${counted(whole, 'pack')}` }
}

const figureNames: Record<string, string> = {
  expired: 'Artifacts expired',
  deletedArtifacts: 'Deleted artifacts removed for good',
  freedBytes: 'Freed',
  waitingBytes: 'Waiting for a grace period or a reader',
  restorableBytes: 'Deleted artifacts that can still be restored',
  noRoomBytes: 'Staying, for lack of room to rewrite packs',
  removedBlobs: 'Blobs removed',
  removedPacks: 'Packs removed',
  rewrittenPacks: 'Packs rewritten',
  packs: 'Packs',
  packBytes: 'Size of packs',
  copies: 'Copies',
  readBytes: 'Read',
  damagedCopies: 'Damaged copies',
  foundCopies: 'Of these newly found',
  healedCopies: 'Copies found intact again',
  healedBlobs: 'Blobs healed',
  drifts: 'Corrected totals',
  damagedArtifacts: 'Damaged artifacts',
  linkedPacks: 'Packs linked',
  copiedPacks: 'Packs copied',
  reusedPacks: 'Packs already in the backup',
  missingPacks: 'Packs missing from the store',
  number: 'Number',
  databaseBytes: 'Size of the database',
  snapshotBytes: 'Size of the snapshot',
}

function Figures({ job }: { job: Job }) {
  const figures = Object.entries(job.progress).filter(
    (entry): entry is [string, number] =>
      // Nearly always nothing stays.
      typeof entry[1] === 'number' && !(entry[0] === 'noRoomBytes' && entry[1] === 0),
  )
  const path = pathOf(job.progress)
  return (
    <>
      <dl class="facts">
        {figures.map(([name, value]) => (
          <Fact term={figureNames[name] ?? name}>
            {name.endsWith('Bytes') ? shownBytes(value) : formatCount(value)}
          </Fact>
        ))}
      </dl>
      {path !== '' && job.state === 'done' && (
        <p>
          To start a server from it, run <code>trove serve --data {path}</code>
        </p>
      )}
      <DamagedFiles damaged={damagedOf(job)} />
    </>
  )
}

function DamagedFiles({ damaged }: { damaged: DamagedArtifact[] }) {
  if (damaged.length === 0) return <></>
  return (
    <ul>
      {damaged.map(({ id, project, run, name, damagedFiles }) => (
        <li>
          <a href={artifactPagePath(project, run, id)}>
            {project}, run {run}, {name}
          </a>
          : {damagedFiles.join(', ')}
        </li>
      ))}
    </ul>
  )
}

function damagedOf({ kind, progress }: Job): DamagedArtifact[] {
  return kind === 'scrub' && 'damaged' in progress ? (progress.damaged as DamagedArtifact[]) : []
}

/** Never negative. `freedBytes` is below zero while rewritten packs exist beside those they
 *  replace, which `waitingBytes` counts. */
function shownBytes(value: number): string {
  return formatSizeBytes(Math.max(0, value))
}

function numberOf(progress: object, name: string): number {
  const value: unknown = (progress as Record<string, unknown>)[name]
  return typeof value === 'number' ? value : 0
}

function pathOf(progress: object): string {
  return 'path' in progress && typeof progress.path === 'string' ? progress.path : ''
}
