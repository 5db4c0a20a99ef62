/** `…/attempts/{attempt}/jobs/{job}`: all annotations of a recorded job, and its summary. */
import { jobLogPath, jobSummaryPath } from '../../api/paths.ts'
import { counted } from '../../core/units.ts'
import type { RecordedJob, Run } from '../../metadata/metadata.ts'
import { Fact } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { Untrusted } from '../parts/untrusted.tsx'
import { Outcome } from './run-jobs.tsx'
import { Annotations, type ShownStepReports, SummaryText } from './step-reports.tsx'

export function JobPage({
  run,
  job,
  reports,
}: {
  run: Run
  job: RecordedJob
  reports: ShownStepReports
}): Html {
  const place = { job: job.key, attempt: run.attempt }
  return (
    <>
      <h1>{job.name}</h1>
      <dl class="facts">
        <Fact term="Outcome">
          <Outcome of={job} />
        </Fact>
        <Fact term="Log">
          <a href={jobLogPath(run.number, run.project, place)}>{counted(job.logLines, 'line')}</a>
        </Fact>
      </dl>
      <Untrusted run={run} />
      <Annotations {...reports} />
      {job.summaryBytes > 0 && (
        <section aria-labelledby="summary">
          <h2 id="summary">Summary</h2>
          {reports.summaries.map((summary) => (
            <SummaryText {...summary} />
          ))}
          <p>
            <a href={jobSummaryPath(run.number, run.project, place)}>Summary as Markdown</a>
            {reports.summaries[0]?.isWhole !== true && (
              <span class="quiet"> only the beginning is shown</span>
            )}
          </p>
        </section>
      )}
    </>
  )
}
