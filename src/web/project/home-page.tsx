/** `/`: the projects that the visitor can read, or how to make the first upload. */
import { projectPagePath } from '../../api/paths.ts'
import type { Project, Run } from '../../metadata/metadata.ts'
import { Sparkline } from '../parts/charts.tsx'
import { Size, Time } from '../parts/format.tsx'
import { Commands } from '../parts/commands.tsx'
import type { Html } from '../parts/html.ts'
import { withQuery } from '../paths.ts'
import { figures, NumberedPager, Table } from '../parts/table.tsx'

export interface ListedProject {
  project: Project
  artifacts: number
  logicalBytes: number
  /** After each file and chunk is counted once. */
  uniqueBytes: number
  lastRun: Run | undefined
  /** Logical bytes uploaded on each of the last 30 days. */
  days: number[]
}

export function HomePage({
  projects,
  pageNumber,
  pageCount,
  origin,
  now,
}: {
  projects: ListedProject[]
  pageNumber: number
  pageCount: number
  origin: string
  now: number
}): Html {
  if (pageCount === 0) return <FirstRun origin={origin} />
  return (
    <>
      <h1>Projects</h1>
      <Table
        name="Projects and what they hold"
        columns={[
          'Project',
          'Last run',
          figures('Artifacts'),
          figures('Size'),
          figures('Each byte once'),
          'Uploads, 30 days',
        ]}
      >
        {projects.map((each) => (
          <ProjectRow {...each} now={now} />
        ))}
      </Table>
      <NumberedPager
        pageNumber={pageNumber}
        pageCount={pageCount}
        hrefOf={(page) => withQuery('/', { page })}
      />
    </>
  )
}

function ProjectRow({
  project,
  artifacts,
  logicalBytes,
  uniqueBytes,
  lastRun,
  days,
  now,
}: ListedProject & { now: number }) {
  return (
    <tr>
      <th scope="row">
        <a href={projectPagePath(project.name)}>{project.name}</a>
      </th>
      <td>
        {lastRun === undefined ? (
          <span class="quiet">none</span>
        ) : (
          <>
            {lastRun.workflow ?? `Run ${lastRun.number}`}, <Time at={lastRun.createdAt} now={now} />
          </>
        )}
      </td>
      <td class="number">{artifacts.toLocaleString('en')}</td>
      <td class="number">
        <Size bytes={logicalBytes} />
      </td>
      <td class="number">
        <Size bytes={uniqueBytes} />
      </td>
      <td>
        <Sparkline values={days} label={`Bytes uploaded to ${project.name} by day`} />
      </td>
    </tr>
  )
}

/** Empty store: what makes it non-empty. Commands are complete, so that they can be pasted as they are. */
function FirstRun({ origin }: { origin: string }) {
  return (
    <>
      <h1>Nothing has been uploaded yet</h1>
      <p>
        A project appears here with its first artifact.{' '}
        <span class="quiet" data-wait-for-upload>
          Reload this page once it is there.
        </span>
      </p>
      <h2>From a shell</h2>
      <Commands text={shellCommands(origin)} />
      <p>
        On other machines, <code>npx -y {origin}/trove.tgz</code> stands for <code>trove</code>,
        wherever Node is.
      </p>
      <h2>From a runner, with the stock actions</h2>
      <p>Give the job these two variables; the workflow needs no change.</p>
      <Commands text={runnerCommands(origin)} />
    </>
  )
}

function shellCommands(origin: string): string {
  return [
    `export TROVE_URL=${origin}`,
    'export TROVE_TOKEN=$(trove token --project octo/app --scope write)',
    'trove upload dist ./dist --project octo/app --run 1',
    'trove list --project octo/app',
  ].join('\n')
}

function runnerCommands(origin: string): string {
  return [
    `export ACTIONS_RESULTS_URL=${origin}/`,
    'export ACTIONS_RUNTIME_TOKEN=$(trove token --project "$GITHUB_REPOSITORY" --run "$GITHUB_RUN_ID" --job "$GITHUB_JOB")',
  ].join('\n')
}
