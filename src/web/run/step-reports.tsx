/** What the jobs of a recorded run report besides their logs: annotations and summaries. */
import type { Child } from 'hono/jsx'
import { raw } from 'hono/html'
import { bySeverity, formatPlace, readSummaries } from '../../browse/step-reports.ts'
import { plainText } from '../../browse/run-log.ts'
import { limits } from '../../core/limits.ts'
import { counted, formatCount } from '../../core/units.ts'
import type {
  RecordedAnnotation,
  RecordedJob,
  RecordedStep,
  Run,
  RunRecord,
} from '../../metadata/metadata.ts'
import { takeFitting } from '../fitting.ts'
import type { Web } from '../page.tsx'
import type { Html } from '../parts/html.ts'
import { cutText, shortened } from '../parts/format.tsx'
import { jobPagePath } from '../paths.ts'

/** A page shows as much of each as fits in its share of the compressed bytes. */
export interface StepReportLimits {
  annotationsMax: number
  annotationsBytesMax: number
  summariesBytesMax: number
  messageCharactersMax: number
  /** Level of the heading above each summary. */
  level: number
}

export interface ReportedPlace {
  run: Run
  record: RunRecord
  /** Undefined for all jobs of the run. */
  job?: RecordedJob
  /** Address of a job's step on the page of the run, if the page links to it. */
  stepPath?(job: RecordedJob, step: RecordedStep | undefined): string
  signal: AbortSignal
}

export interface ShownSummary {
  job: RecordedJob
  markup: string
  isWhole: boolean
}

export interface ShownStepReports {
  annotations: {
    markup: Child
    shown: number
    total: number
    /** Where the others are. */
    rest: string
    isBounded: boolean
  }
  summaries: ShownSummary[]
  /** Jobs whose summary does not fit on the page at all. */
  left: number
  /** Compressed size of all of it. */
  bytes: number
}

/** Reads and renders the annotations and summaries of all jobs of a run, or of one of them.
 *  Errors: busy. */
export async function showStepReports(
  { context: { metadata }, renderer }: Web,
  { run, record, job, stepPath, signal }: ReportedPlace,
  {
    annotationsMax,
    annotationsBytesMax,
    summariesBytesMax,
    messageCharactersMax,
    level,
  }: StepReportLimits,
): Promise<ShownStepReports> {
  const jobs = job === undefined ? record.jobs : [job]
  const byId = new Map(record.jobs.map((each) => [each.id, each]))
  const annotations = await metadata.listAnnotations(run.id, job?.id)
  const list = await takeFitting(
    bySeverity(annotations).slice(0, annotationsMax),
    (each) => (
      <AnnotationItem
        annotation={each}
        job={byId.get(each.jobId)}
        stepPath={stepPath}
        max={messageCharactersMax}
      />
    ),
    annotationsBytesMax,
  )
  const read = await readSummaries(metadata, jobs)
  const found = jobs.flatMap((each) => {
    const summary = read.get(each.key)
    return summary === undefined ? [] : [{ job: each, summary }]
  })
  const rendered =
    found.length === 0
      ? []
      : await renderer.render(async () => {
          const texts = found.map(({ summary }) => summary.steps)
          return { kind: 'summaries' as const, jobs: texts, level, bytesMax: summariesBytesMax }
        }, signal)
  const summaries = found.flatMap(({ job: ofJob, summary }, index) => {
    const { markup, isWhole } = rendered[index]!
    return markup === '' ? [] : [{ job: ofJob, markup, isWhole: isWhole && summary.isWhole }]
  })
  return {
    annotations: {
      markup: raw(list.pieces.join('')),
      shown: list.pieces.length,
      total: annotations.length,
      rest: job === undefined ? 'in the logs and on the pages of the jobs' : 'in the log',
      isBounded: isRunFull(record) || isBounded(annotations),
    },
    summaries,
    left: jobs.filter((each) => each.summaryBytes > 0).length - summaries.length,
    bytes: rendered.reduce((sum, { bytes }) => sum + bytes, list.bytes),
  }
}

function isRunFull({ jobs }: RunRecord): boolean {
  const count = jobs.reduce((sum, { annotationCount }) => sum + annotationCount, 0)
  return count >= limits.annotationsPerRunMax
}

/** Whether a bound of a step or a job was reached, so that there may have been more. */
function isBounded(annotations: RecordedAnnotation[]): boolean {
  const counts = new Map<string, number>()
  const reaches = (key: string, max: number): boolean => {
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    return count >= max
  }
  return annotations.some(({ jobId, step, level }) => {
    const isStepFull = reaches(`${jobId} ${step} ${level}`, limits.annotationsPerStepMax)
    return reaches(`${jobId}`, limits.annotationsPerJobMax) || isStepFull
  })
}

/** Nothing, if there are none. */
export function Annotations({
  annotations: { markup, shown, total, rest, isBounded: mayHaveMore },
}: ShownStepReports): Html {
  if (total === 0 && !mayHaveMore) return <></>
  return (
    <section aria-labelledby="annotations">
      <h2 id="annotations">Annotations</h2>
      {total > 0 && <ul class="annotations">{markup}</ul>}
      {shown < total && (
        <p class="quiet">
          {counted(total - shown, 'more annotation')} {total - shown === 1 ? 'is' : 'are'} {rest}.
        </p>
      )}
      {mayHaveMore && (
        <p class="quiet">
          Only the first {limits.annotationsPerStepMax} of a level in a step, the first{' '}
          {limits.annotationsPerJobMax} of a job and the first{' '}
          {formatCount(limits.annotationsPerRunMax)} of a run are kept; the logs have all.
        </p>
      )}
    </section>
  )
}

/** Nothing, if there are none. */
export function Summaries({ run, reports }: { run: Run; reports: ShownStepReports }): Html {
  const { summaries, left } = reports
  if (summaries.length + left === 0) return <></>
  return (
    <section aria-labelledby="summaries">
      <h2 id="summaries">Summaries</h2>
      {summaries.map((summary) => (
        <>
          <h3>{shortened(summary.job.name)}</h3>
          <SummaryText {...summary} />
          {!summary.isWhole && (
            <p>
              <a href={jobPagePath(run, summary.job.key)}>
                More of the summary of {shortened(summary.job.name)}
              </a>
            </p>
          )}
        </>
      ))}
      {left > 0 && (
        <p class="quiet">
          {counted(left, 'more job')} {left === 1 ? 'has a summary' : 'have summaries'}, linked in
          the list of jobs.
        </p>
      )}
    </section>
  )
}

export function SummaryText({ markup }: Pick<ShownSummary, 'markup'>): Html {
  return <div class="prose">{raw(markup)}</div>
}

function AnnotationItem({
  annotation,
  job,
  stepPath,
  max,
}: {
  annotation: RecordedAnnotation
  /** Undefined if it was deleted in the meantime, or announced after the record was read. */
  job: RecordedJob | undefined
  stepPath: ReportedPlace['stepPath']
  max: number
}): Html {
  const { level, message, title } = annotation
  const place = formatPlace(annotation)
  const step = job?.steps.find(({ number }) => number === annotation.step)
  const source = shortened([job?.name, step?.name].filter((part) => part !== undefined).join(': '))
  return (
    <li>
      <span class={`badge ${level}`}>{level}</span>
      {title !== null && title !== '' && <strong>{plainText(title)}</strong>}
      {place !== '' && <code>{plainText(place)}</code>}
      {job === undefined || stepPath === undefined ? (
        <span class="quiet">{source}</span>
      ) : (
        <a href={stepPath(job, step)}>{source}</a>
      )}
      <p>{cutText(plainMessage(message), max)}</p>
    </li>
  )
}

/** Keeps line breaks, which `%0A` in a log command stands for. */
function plainMessage(message: string): string {
  return message.split(/\r?\n/).map(plainText).join('\n')
}
