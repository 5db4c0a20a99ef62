/** `/{o}/{r}`: the runs of a project, newest first, with filters. */
import { counted, formatCount } from '../../core/units.ts'
import { attemptPagePath, projectPagePath, runPagePath } from '../../api/paths.ts'
import { conclusions } from '../../core/run/run-record.ts'
import type {
  ArtifactSums,
  Progress,
  Project,
  Run,
  RunFact,
  RunState,
} from '../../metadata/metadata.ts'
import { anyOf, Choice, NoneMatch, NumberField } from '../parts/form.tsx'
import { SizeCell, TimeCell } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { CommitCell, FactLink, Ordinal, PullRequest } from '../parts/run-facts.tsx'
import { type Highlights, ProjectHighlights } from './highlights.tsx'
import { ProjectMenu } from '../parts/project-menu.tsx'
import { UploadHint } from '../parts/commands.tsx'
import { listPath, tokensPagePath } from '../paths.ts'
import { figures, NextPage, Table } from '../parts/table.tsx'
import { Outcome } from '../run/run-jobs.tsx'

export interface ListedRun {
  run: Run
  /** Sums over its live artifacts. */
  sums: ArtifactSums
  /** Undefined if no runner recorded the run. */
  progress: Progress | undefined
}

export type RunChoices = Record<RunFact, { chosen: string; values: string[] }> & {
  /** Number of a pull request; empty for any. */
  pullRequest: string
  /** A word of `outcomes`, or empty for any. */
  outcome: string
  /** '1': only runs with live artifacts. */
  artifacts: string
  /** 'pull-request', 'other', or empty for any. */
  trust: string
}

/** What runners report of runs, in the words of the list. */
export const outcomes: ReadonlyMap<string, RunState> = new Map([
  ...[...conclusions, 'stale' as const].map((each) => [each, each] as const),
  ['running', 'in_progress'],
  ['waiting', 'queued'],
])

export interface ProjectView {
  project: Project
  runs: ListedRun[]
  /** Numbers of runs with uploads in progress; none where the list is filtered or continued. */
  arrivingRuns: number[]
  choices: RunChoices
  /** Undefined where the list is filtered or continued, and for an empty project. */
  highlights: Highlights | undefined
  /** Whether the project has no live artifacts; false where the list is filtered or continued. */
  isEmpty: boolean
  historyDays: number
  mayInspect: boolean
  mayWrite: boolean
  /** Address of the page with older runs; null on the last page. */
  older: string | null
  now: number
}

export function ProjectPage(view: ProjectView): Html {
  const { project, runs, choices, highlights, older, now } = view
  const isFiltered = Object.keys(chosenOf(choices)).length > 0
  return (
    <>
      <h1>{project.name}</h1>
      <ProjectMenu {...view} project={project.name} current="Runs" />
      {highlights !== undefined && (
        <ProjectHighlights
          project={project.name}
          highlights={highlights}
          mayKeep={view.mayWrite}
          now={now}
        />
      )}
      {view.isEmpty && <EmptyProject {...view} />}
      <ArrivingRuns project={project.name} runs={view.arrivingRuns} />
      <RunFilter
        project={project.name}
        choices={choices}
        hasOutcomes={runs.some(({ progress }) => progress !== undefined)}
      />
      {runs.length === 0 ? (
        <NoRuns project={project.name} isFiltered={isFiltered} />
      ) : (
        <RunTable runs={runs} now={now} />
      )}
      <NextPage href={older} label="Older runs" />
    </>
  )
}

/** The list has a run only from its first artifact on. */
function ArrivingRuns({ project, runs }: { project: string; runs: number[] }) {
  if (runs.length === 0) return null
  return (
    <p>
      Uploads in progress:{' '}
      {runs.map((run, index) => (
        <>
          {index > 0 && ', '}
          <a href={runPagePath(project, run)}>run {run}</a>
        </>
      ))}
    </p>
  )
}

function EmptyProject({ project: { name }, mayWrite, historyDays }: ProjectView) {
  return (
    <div class="note">
      <p>
        This project holds no artifacts: they have expired or were deleted, or there were none. It
        stays, with its settings, for the next upload. What is known of past runs and artifacts is
        kept for {counted(historyDays, 'day')} (TROVE_HISTORY_DAYS).
      </p>
      {mayWrite && (
        <p>
          <a href={listPath(name, { state: 'deleted' })}>Restore what was deleted</a>
          {' · '}
          <a href={tokensPagePath(name, { revoke: 'all' })}>Revoke its tokens</a>
        </p>
      )}
    </div>
  )
}

/** The chosen filters as query parameters. */
export function chosenOf({
  pullRequest,
  outcome,
  artifacts,
  trust,
  ...facts
}: RunChoices): Record<string, string> {
  const all = [
    ...Object.entries(facts).map(([fact, { chosen }]): [string, string] => [fact, chosen]),
    ...Object.entries({ 'pull-request': pullRequest, outcome, artifacts, trust }),
  ]
  return Object.fromEntries(all.filter(([, value]) => value !== ''))
}

const labels: Record<RunFact, string> = {
  workflow: 'Workflow',
  branch: 'Branch',
  event: 'Event',
  actor: 'Started by',
}

function RunFilter({
  project,
  choices,
  hasOutcomes,
}: {
  project: string
  choices: RunChoices
  /** Whether a runner recorded any of the listed runs. */
  hasOutcomes: boolean
}) {
  const isOffered = (fact: RunFact): boolean =>
    fact !== 'actor' || choices.actor.values.length > 0 || choices.actor.chosen !== ''
  return (
    <form class="filter" method="get" action={projectPagePath(project)}>
      {(hasOutcomes || choices.outcome !== '') && (
        <Choice
          label="Outcome"
          name="outcome"
          options={anyOf([...outcomes.keys()])}
          chosen={choices.outcome}
        />
      )}
      {(Object.keys(labels) as RunFact[]).filter(isOffered).map((fact) => (
        <Choice
          label={labels[fact]}
          name={fact}
          options={anyOf(choices[fact].values)}
          chosen={choices[fact].chosen}
        />
      ))}
      <NumberField
        label="Pull request"
        name="pull-request"
        value={choices.pullRequest}
        title="The number of a pull request"
      />
      <Choice
        label="Artifacts"
        name="artifacts"
        options={[
          ['', 'any'],
          ['1', 'with artifacts'],
        ]}
        chosen={choices.artifacts}
      />
      <Choice
        label="Trust"
        name="trust"
        options={[
          ['', 'any'],
          ['other', 'not of pull requests'],
          ['pull-request', 'of pull requests'],
        ]}
        chosen={choices.trust}
      />
      <button>Filter</button>
    </form>
  )
}

function NoRuns({ project, isFiltered }: { project: string; isFiltered: boolean }) {
  if (!isFiltered) return <UploadHint reason="There are no runs." project={project} run="RUN" />
  return <NoneMatch what="runs" all={projectPagePath(project)} />
}

function RunTable({ runs, now }: { runs: ListedRun[]; now: number }) {
  const hasActors = runs.some(({ run }) => run.actor !== null)
  return (
    <Table
      name="Runs"
      caption="Runs, newest first"
      style="rows runs"
      columns={[
        'Run',
        'Workflow',
        'Branch',
        'Commit',
        'Event',
        ...(hasActors ? ['Started by'] : []),
        figures('Artifacts'),
        figures('Size'),
        figures('New bytes'),
        'Started',
      ]}
    >
      {runs.map((each) => (
        <RunRow {...each} hasActors={hasActors} now={now} />
      ))}
    </Table>
  )
}

function RunRow({
  run,
  sums,
  progress,
  hasActors,
  now,
}: ListedRun & { hasActors: boolean; now: number }) {
  return (
    <tr>
      <th scope="row">
        <a href={attemptPagePath(run.project, run.number, run.attempt)}>{run.number}</a>
        {run.attempt > 1 && <span class="badge">attempt {run.attempt}</span>}
        {progress !== undefined && <Outcome of={progress} />}
      </th>
      <td>
        <FactLink of={run} fact="workflow" />
        {run.ordinal !== null && ' '}
        <Ordinal run={run} />
      </td>
      <td>
        <FactLink of={run} fact="branch" />
        {run.pullRequest !== null && ' '}
        <PullRequest run={run} />
      </td>
      <CommitCell of={run} />
      <td>
        <FactLink of={run} fact="event" />
      </td>
      {hasActors && (
        <td>
          <FactLink of={run} fact="actor" />
        </td>
      )}
      <td class="number">{formatCount(sums.artifacts)}</td>
      <SizeCell bytes={sums.logicalBytes} />
      <SizeCell bytes={sums.newBytes} />
      <TimeCell at={run.createdAt} now={now} />
    </tr>
  )
}
