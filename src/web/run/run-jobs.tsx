/** The jobs of a recorded run: their steps, outcomes, durations and logs. */
import type { Child } from 'hono/jsx'
import { jobLogPath } from '../../api/paths.ts'
import { groupLines, type LogGroup, type ShownLog } from '../../browse/run-log.ts'
import { linePrefixes } from '../../core/run-record.ts'
import { formatDuration, counted } from '../../core/units.ts'
import type {
  Progress,
  RecordedJob,
  RecordedStep,
  Run,
  RunRecord,
} from '../../metadata/metadata.ts'
import { takeFitting } from '../fitting.ts'
import type { Html } from '../parts/html.ts'
import { jobPagePath } from '../paths.ts'

export function RunJobs({
  run,
  record,
  logs,
}: {
  run: Run
  record: RunRecord
  /** By job key. */
  logs: ReadonlyMap<string, ShownLog>
}): Html {
  return (
    <section class="jobs" aria-labelledby="jobs">
      <h2 id="jobs">Jobs</h2>
      <p class="quiet">{counted(record.jobs.length, 'job')}</p>
      {record.jobs.map((job) => (
        <Job run={run} job={job} log={logs.get(job.key)} />
      ))}
    </section>
  )
}

/** Returns the ends of the logs that fit together into that many compressed bytes, in the order of
 *  `logs`. A link leads to each whole log. */
export async function fittingLogs(
  logs: ReadonlyMap<string, ShownLog>,
  bytesMax: number,
): Promise<Map<string, ShownLog>> {
  const fitting = new Map<string, ShownLog>()
  let leftBytes = bytesMax
  for (const [key, { lines, isWhole }] of logs) {
    const { count, bytes } = await takeFitting(lines.toReversed(), lineOf, leftBytes)
    leftBytes -= bytes
    if (count === 0) continue
    fitting.set(key, { lines: lines.slice(-count), isWhole: isWhole && count === lines.length })
  }
  return fitting
}

function Job({ run, job, log }: { run: Run; job: RecordedJob; log: ShownLog | undefined }): Html {
  const href = jobLogPath(run.number, run.project, { job: job.key, attempt: run.attempt })
  const groups = groupLines(log?.lines ?? [])
  const ofJob = groups.get(0) ?? []
  return (
    <details class="job" open={job.conclusion === 'failure'}>
      <summary>
        <strong>{job.name}</strong> <Outcome of={job} />
      </summary>
      {job.steps.map((step) => (
        <Step step={step} groups={groups.get(step.number) ?? []} />
      ))}
      {ofJob.length > 0 && <Groups groups={ofJob} />}
      {job.summaryBytes > 0 && (
        <p>
          <a href={jobPagePath(run, job.key)}>Summary of {job.name}</a>
        </p>
      )}
      {job.logLines > 0 && (
        <p>
          <a href={href}>Log of {job.name} as text</a>
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

function Step({ step, groups }: { step: RecordedStep; groups: LogGroup[] }): Html {
  const title = (
    <>
      {step.name} <Outcome of={step} />
    </>
  )
  if (groups.length === 0) return <p class="step">{title}</p>
  return (
    <details class="step" open={step.conclusion === 'failure'}>
      <summary>{title}</summary>
      <Groups groups={groups} />
    </details>
  )
}

function Groups({ groups }: { groups: LogGroup[] }): Html {
  return (
    <>
      {groups.map(({ title, lines }) =>
        title === null ? (
          <Lines lines={lines} />
        ) : (
          <details class="group">
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
    <pre class="log" tabindex={0}>
      {lines.map(lineOf)}
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
