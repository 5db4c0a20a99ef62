/** The jobs of a recorded run: their steps, outcomes, durations and logs. */
import type { Child } from 'hono/jsx'
import { jobLogPath } from '../../api/paths.ts'
import { groupLines, type LogGroup, type ShownLog } from '../../browse/run-log.ts'
import { linePrefixes } from '../../core/run/run-record.ts'
import { counted, formatCount, formatDuration } from '../../core/units.ts'
import type {
  Progress,
  RecordedJob,
  RecordedStep,
  Run,
  RunRecord,
} from '../../metadata/metadata.ts'
import { takeFitting } from '../fitting.ts'
import { shortened } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { NextPage } from '../parts/table.tsx'
import { jobPagePath } from '../paths.ts'

/** The part of a run's jobs that fits on its page. */
export interface ShownJobs {
  /** With as many steps as fit. */
  jobs: RecordedJob[]
  /** Number of steps left out, of the only job; 0 if all fit. */
  stepsLeft: number
  /** Position of the next job; null at the end. */
  next: number | null
  /** Their compressed size, without logs. */
  bytes: number
}

/** Returns the jobs from a position that fit into that many compressed bytes, at least one. If not
 *  all fit, failed and running jobs come first. */
export async function fittingJobs(
  run: Run,
  { jobs }: RunRecord,
  { from, bytesMax }: { from: number; bytesMax: number },
): Promise<ShownJobs> {
  const render = (job: RecordedJob): Html => <Job run={run} job={job} log={undefined} left={0} />
  const all = from === 0 ? await takeFitting(jobs, render, bytesMax) : undefined
  if (all?.pieces.length === jobs.length)
    return { jobs, stepsLeft: 0, next: null, bytes: all.bytes }
  const rest = byUrgency(jobs).slice(from)
  const { pieces, bytes } = await takeFitting(rest, render, bytesMax)
  const shown = rest.slice(0, Math.max(1, pieces.length))
  const next = shown.length < rest.length ? from + shown.length : null
  const [job] = shown
  if (pieces.length > 0 || job === undefined) return { jobs: shown, stepsLeft: 0, next, bytes }
  // A single job with many steps.
  const renderStep = (step: RecordedStep): Html => <Step step={step} id={anchorOf(job, step)} />
  const fitting = await takeFitting(job.steps, renderStep, bytesMax)
  const steps = job.steps.slice(0, fitting.pieces.length)
  const stepsLeft = job.steps.length - steps.length
  return { jobs: [{ ...job, steps }], stepsLeft, next, bytes: bytesMax }
}

function byUrgency(jobs: readonly RecordedJob[]): RecordedJob[] {
  const isUrgent = ({ conclusion, startedAt }: RecordedJob): boolean =>
    conclusion === 'failure' || (conclusion === null && startedAt !== null)
  return [...jobs.filter(isUrgent), ...jobs.filter((job) => !isUrgent(job))]
}

export interface JobsView {
  record: RunRecord
  shown: ShownJobs
  /** By job key. */
  logs: ReadonlyMap<string, ShownLog>
  /** Address of the page with the next jobs; null on the last page. */
  moreJobs: string | null
}

export function RunJobs({ run, record, shown, logs, moreJobs }: JobsView & { run: Run }): Html {
  const total = record.jobs.length
  const ended = record.jobs.filter(({ conclusion }) => conclusion !== null).length
  return (
    <section
      id="progress"
      aria-labelledby="jobs"
      data-ended={record.conclusion === null ? undefined : `Run ended: ${record.conclusion}`}
      {...liveWhileRunning(record, `${ended} of ${counted(total, 'job')} ended`)}
    >
      <h2 id="jobs">Jobs</h2>
      <p class="quiet">
        {counted(total, 'job')}
        {shown.jobs.length < total && `, of which ${formatCount(shown.jobs.length)} are shown here`}
      </p>
      {shown.jobs.map((job) => (
        <Job run={run} job={job} log={logs.get(job.key)} left={shown.stepsLeft} />
      ))}
      <NextPage href={moreJobs} label="More jobs" />
    </section>
  )
}

/** Attributes of a part of the page that scripts refresh until the run ends (browser/live.ts).
 *  `state` is announced. */
export function liveWhileRunning(
  record: RunRecord | undefined,
  state = '',
): Record<string, string | undefined> {
  if (record === undefined || record.conclusion !== null) return {}
  return { 'data-live': state, 'data-every': '5' }
}

/** Returns the ends of the logs that fit together into that many compressed bytes, in the order of
 *  `logs`. A link leads to each whole log. */
export async function fittingLogs(
  logs: ReadonlyMap<string, ShownLog>,
  bytesMax: number,
): Promise<Map<string, ShownLog>> {
  const shown = new Map<string, ShownLog>()
  let leftBytes = bytesMax
  for (const [key, { lines, isWhole }] of logs) {
    const fitting = await takeFitting(lines.toReversed(), lineOf, leftBytes)
    const count = fitting.pieces.length
    leftBytes -= fitting.bytes
    if (count === 0) continue
    shown.set(key, { lines: lines.slice(-count), isWhole: isWhole && count === lines.length })
  }
  return shown
}

function Job({
  run,
  job,
  log,
  left,
}: {
  run: Run
  job: RecordedJob
  log: ShownLog | undefined
  /** Number of steps that are not shown. */
  left: number
}): Html {
  const name = shortened(job.name)
  const href = jobLogPath(run.number, run.project, { job: job.key, attempt: run.attempt })
  const groups = groupLines(log?.lines ?? [])
  const ofJob = groups.get(0) ?? []
  const reported = [
    ...(job.annotationCount > 0 ? [counted(job.annotationCount, 'annotation')] : []),
    ...(job.summaryBytes > 0 ? [job.annotationCount > 0 ? 'summary' : 'Summary'] : []),
  ]
  return (
    <details class="job" id={anchorOf(job)} data-fold={job.key} open={job.conclusion === 'failure'}>
      <summary>
        <strong>{name}</strong> <Outcome of={job} />
      </summary>
      {job.steps.map((step) => (
        <Step
          step={step}
          id={anchorOf(job, step)}
          fold={`${job.key}/${step.number}`}
          groups={groups.get(step.number)}
        />
      ))}
      {left > 0 && <p class="quiet">{counted(left, 'more step')} of this job</p>}
      {ofJob.length > 0 && <Groups groups={ofJob} fold={`${job.key}/0`} />}
      {reported.length > 0 && (
        <p>
          <a href={jobPagePath(run, job.key)}>
            {reported.join(' and ')} of {name}
          </a>
        </p>
      )}
      {job.logLines > 0 && (
        <p>
          <a href={href}>Log of {name} as text</a>
          <span class="quiet">
            {' '}
            {counted(job.logLines, 'line')}
            {log?.isWhole === true
              ? ''
              : log === undefined
                ? ', not shown here'
                : ', only the end is shown'}
          </span>
        </p>
      )}
    </details>
  )
}

/** The id of a job's element on the page of its run, or of one of its steps. */
export function anchorOf({ id }: Pick<RecordedJob, 'id'>, step?: RecordedStep): string {
  return step === undefined ? `job-${id}` : `job-${id}-${step.number}`
}

function Step({
  step,
  id,
  fold,
  groups = [],
}: {
  step: RecordedStep
  id: string
  fold?: string
  groups?: LogGroup[] | undefined
}): Html {
  const title = (
    <>
      {shortened(step.name)} <Outcome of={step} />
    </>
  )
  if (groups.length === 0)
    return (
      <p class="step" id={id}>
        {title}
      </p>
    )
  return (
    <details class="step" id={id} data-fold={fold} open={step.conclusion === 'failure'}>
      <summary>{title}</summary>
      <Groups groups={groups} fold={fold} />
    </details>
  )
}

function Groups({ groups, fold }: { groups: LogGroup[]; fold: string | undefined }): Html {
  return (
    <>
      {groups.map(({ title, lines }) =>
        title === null ? (
          <Lines lines={lines} />
        ) : (
          <details data-fold={`${fold}/${title}`}>
            <summary>{title}</summary>
            <Lines lines={lines} />
          </details>
        ),
      )}
    </>
  )
}

function Lines({ lines }: { lines: LogGroup['lines'] }): Html {
  return (
    <pre class="log tail" tabindex={0}>
      <span>{lines.map(lineOf)}</span>
    </pre>
  )
}

function lineOf({ kind, text }: LogGroup['lines'][number]): Child {
  const shown = `${linePrefixes[kind] ?? ''}${text}\n`
  return kind === 'output' ? shown : <span class={kind}>{shown}</span>
}

/** The conclusion or the state of a job or step, in words, since an icon or a colour alone is
 *  not accessible. */
export function Outcome({ of: { conclusion, startedAt, durationMs } }: { of: Progress }): Html {
  const state = conclusion ?? (startedAt === null ? 'waiting' : 'running')
  return (
    <>
      <span class={`badge ${state}`}>{state}</span>
      {durationMs !== null && state !== 'skipped' && (
        <>
          {' '}
          <span class="quiet duration">{formatDuration(durationMs)}</span>
        </>
      )}
    </>
  )
}
