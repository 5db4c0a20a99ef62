/** The top of a run's page. */
import { attemptPagePath } from '../../api/paths.ts'
import type { RecordedJob, Run } from '../../metadata/metadata.ts'
import { Fact, shortened, Time } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { FactLink, Ordinal, PullRequest } from '../parts/run-facts.tsx'
import { anchorOf, type JobsView, liveWhileRunning, Outcome } from './run-jobs.tsx'

/** Facts of a run, and where it failed. */
export function RunHead({
  run,
  attemptBefore,
  recorded,
  now,
}: {
  run: Run
  attemptBefore: Run | undefined
  recorded: JobsView | undefined
  now: number
}): Html {
  const record = recorded?.record
  return (
    <dl class="facts" id="facts" {...liveWhileRunning(record)}>
      {record !== undefined && (
        <Fact term="Outcome">
          <Outcome of={record} />
          <FailedJobs jobs={recorded?.shown.jobs ?? []} />
          {(record.conclusion === null || record.conclusion === 'stale') && (
            <>
              {record.conclusion === 'stale' && ', its end was not reported'}, last update{' '}
              <Time at={record.updatedAt} now={now} />
            </>
          )}
        </Fact>
      )}
      {(run.workflow !== null || run.ordinal !== null) && (
        <Fact term="Workflow">
          {run.workflow} <Ordinal run={run} />
        </Fact>
      )}
      {run.branch !== null && (
        <Fact term="Branch">
          <FactLink of={run} fact="branch" />
        </Fact>
      )}
      {run.pullRequest !== null && (
        <Fact term="Pull request">
          <PullRequest run={run} />
        </Fact>
      )}
      {run.sha !== null && (
        <Fact term="Commit">
          <span class="digest" title={run.sha}>
            {run.sha.slice(0, 12)}
          </span>
          {run.headSha !== null && run.headSha !== run.sha && (
            <>
              , head{' '}
              <span class="digest" title={run.headSha}>
                {run.headSha.slice(0, 12)}
              </span>
            </>
          )}
        </Fact>
      )}
      {run.event !== null && <Fact term="Event">{run.event}</Fact>}
      {run.attempt > 1 && (
        <Fact term="Attempt">
          {String(run.attempt)}
          {attemptBefore !== undefined && (
            <>
              , after{' '}
              <a href={attemptPagePath(run.project, run.number, attemptBefore.attempt)}>
                {attemptBefore.attempt}
              </a>
            </>
          )}
        </Fact>
      )}
      <Fact term="Started">
        <Time at={run.createdAt} now={now} />
        {run.actor !== null && (
          <>
            {' by '}
            <FactLink of={run} fact="actor" />
          </>
        )}
      </Fact>
    </dl>
  )
}

const failedMax = 3

/** Links to the first failed jobs on the page. */
function FailedJobs({ jobs }: { jobs: RecordedJob[] }) {
  const failed = jobs.filter(({ conclusion }) => conclusion === 'failure')
  return (
    <>
      {failed.slice(0, failedMax).map((job, index) => (
        <>
          {index === 0 ? ' in ' : ', '}
          <a href={`#${anchorOf(job)}`}>{shortened(job.name)}</a>
        </>
      ))}
      {failed.length > failedMax && ', …'}
    </>
  )
}
