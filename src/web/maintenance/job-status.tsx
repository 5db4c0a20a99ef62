/** One job of maintenance: how far it is, what it told, how it ended. Without scripts a link looks again; with them the
 *  section is fetched again while it goes on (browser/live.ts). */
import { StoreError } from '../../core/errors.ts'
import { formatDuration, formatSizeBytes, counted, formatCount } from '../../core/units.ts'
import type { Job } from '../../lifecycle/jobs.ts'
import type { DamagedArtifact } from '../../lifecycle/scrub.ts'
import { artifactPagePath } from '../../api/paths.ts'
import { Fact, Time } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { maintenancePath } from '../paths.ts'

/** `packs`: of the store, which is what a scrub or a backup goes through. */
export function JobStatus({ job, packs, now }: { job: Job; packs: number; now: number }): Html {
  const isOver = job.endedAt !== null
  const share = isOver ? null : shareOf(job, packs)
  const said = `${jobTitle(job)} ${job.state}${share === null ? '' : `, ${share.text}`}`
  return (
    <section
      id="job"
      class="card job-status"
      aria-labelledby="job-title"
      data-live={isOver ? undefined : said}
      data-ended={isOver ? said : undefined}
    >
      <h2 id="job-title">
        {jobTitle(job)} <JobState job={job} />
      </h2>
      <p class="quiet">
        Begun <Time at={job.createdAt} now={now} />
        {job.endedAt !== null && <>, took {formatDuration(job.endedAt - job.createdAt)}</>}.
      </p>
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
          It failed: {failureText(job)}.
        </p>
      )}
      {job.error === null && <Figures job={job} />}
      {!isOver && (
        <p class="no-script">
          <a class="button" href={maintenancePath(job.id)}>
            Look again
          </a>
        </p>
      )}
    </section>
  )
}

/** In words, because a colour alone says nothing to many. */
export function JobState({ job }: { job: Job }): Html {
  return <span class={`badge ${job.state}`}>{job.state}</span>
}

const titles: Record<string, string> = {
  gc: 'Garbage collection',
  scrub: 'Scrub',
  backup: 'Backup',
}

export function jobTitle({ kind }: Job): string {
  return titles[kind] ?? kind
}

/** What came of a job, in a few words; '' while it goes on. */
export function outcomeOf(job: Job): string {
  if (job.endedAt === null) return ''
  if (job.error !== null) return failureText(job)
  const figure = (name: string): number => numberOf(job.progress, name)
  switch (job.kind) {
    case 'gc':
      return `freed ${shownBytes(figure('freedBytes'))}`
    case 'scrub':
      return figure('damagedCopies') === 0
        ? `${counted(figure('packs'), 'pack')} read, nothing damaged`
        : `damage in ${counted(figure('damagedArtifacts'), 'artifact')}`
    case 'backup':
      return `${formatSizeBytes(figure('packBytes'))} in ${pathOf(job.progress)}`
    default:
      return ''
  }
}

/** What is no expected failure may tell of paths; the log has it. */
function failureText({ error }: Job): string {
  return error instanceof StoreError ? error.message : 'the log of the server says why'
}

/** Null where nobody knows the whole. A store can grow meanwhile. */
function shareOf(job: Job, packs: number): { part: number; whole: number; text: string } | null {
  if (job.kind !== 'scrub' && job.kind !== 'backup') return null
  const part = numberOf(job.progress, 'packs')
  const whole = Math.max(packs, part, 1)
  return { part, whole, text: `${formatCount(part)} of ${counted(whole, 'pack')}` }
}

const figureNames: Record<string, string> = {
  expired: 'Artifacts expired',
  deletedArtifacts: 'Deleted artifacts let go',
  freedBytes: 'Freed',
  waitingBytes: 'Waiting for a grace or a reader',
  removedBlobs: 'Blobs removed',
  removedPacks: 'Packs removed',
  rewrittenPacks: 'Packs rewritten',
  packs: 'Packs',
  packBytes: 'Bytes of packs',
  copies: 'Copies',
  readBytes: 'Read',
  damagedCopies: 'Copies that are bad',
  foundCopies: 'Of these not known before',
  healedCopies: 'Copies found whole again',
  healedBlobs: 'Blobs healed',
  drifts: 'Sums set right',
  damagedArtifacts: 'Artifacts with damage',
  linkedPacks: 'Packs linked',
  copiedPacks: 'Packs copied',
  reusedPacks: 'Packs there before',
  missingPacks: 'Packs that the store has lost',
}

function Figures({ job }: { job: Job }) {
  const figures = Object.entries(job.progress).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
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
          Restore it with <code>trove serve --data {path}</code>
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

/** Less than nothing is freed where packs were written anew and what they replace waits: that is told as what waits. */
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
