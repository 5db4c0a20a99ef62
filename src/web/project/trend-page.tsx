/** `/{o}/{r}/trends`: the size of an artifact from run to run, and how many new bytes each
 *  upload added. */
import { runPagePath } from '../../api/paths.ts'
import { isLive } from '../../core/policy/retention.ts'
import { formatSizeBytes, counted, formatDelta } from '../../core/units.ts'
import type { Artifact, Project } from '../../metadata/metadata.ts'
import { Commands, uploadCommand } from '../parts/commands.tsx'
import { Delta, SizeCell, TimeCell } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { LinePlot } from '../parts/line-chart.tsx'
import { artifactPath, comparePath, trendsPath } from '../paths.ts'
import { ProjectMenu } from '../parts/project-menu.tsx'
import { CommitCell } from '../parts/run-facts.tsx'
import { figures, Table } from '../parts/table.tsx'

/** An artifact name on a branch. */
export interface TrendPlace {
  name: string
  branch: string
}

export interface TrendView {
  project: Project
  place: TrendPlace
  /** Oldest first; null if no place is chosen. */
  trend: { artifacts: Artifact[]; isCut: boolean } | null
  /** Suggested places. */
  places: TrendPlace[]
  mayInspect: boolean
  mayWrite: boolean
  now: number
}

export function TrendPage(view: TrendView): Html {
  const { project, place, trend } = view
  return (
    <>
      <h1>Trends of {project.name}</h1>
      <ProjectMenu {...view} project={project.name} current="Trends" />
      <form class="filter" method="get" action={trendsPath(project.name)}>
        <label>
          Artifact
          <input name="name" required value={place.name} data-key="/" />
        </label>
        <label>
          Branch
          <input name="branch" required value={place.branch} />
        </label>
        <button>Show</button>
      </form>
      {trend === null ? <Places {...view} /> : <Trend {...view} {...trend} />}
    </>
  )
}

function Places({ project, places }: TrendView) {
  if (places.length === 0)
    return (
      <>
        <p>No recent upload names a branch. In a job whose environment does not name it, run</p>
        <Commands text={`${uploadCommand(project.name, 'RUN')} --branch BRANCH`} />
      </>
    )
  return (
    <>
      <p>Recently uploaded:</p>
      <ul class="columns">
        {places.map((place) => (
          <li>
            <a href={trendsPath(project.name, place)}>
              <bdi>{place.name}</bdi> on <bdi>{place.branch}</bdi>
            </a>
          </li>
        ))}
      </ul>
    </>
  )
}

interface Point {
  artifact: Artifact
  /** The previous artifact. */
  before: Artifact | undefined
  delta: number
  /** Address of the comparison with the previous artifact, if both are live. */
  changes: string | undefined
}

function Trend(view: TrendView & { artifacts: Artifact[]; isCut: boolean }) {
  const { project, place, artifacts, isCut, now } = view
  if (artifacts.length === 0) {
    return (
      <p>
        No artifact has this name on this branch; artifacts of pull requests do not count.{' '}
        <a href={trendsPath(project.name)}>Choose another</a>
      </p>
    )
  }
  const points = artifacts.map((artifact, index) => pointOf(artifact, artifacts[index - 1], now))
  return (
    <>
      <h2>
        <bdi>{place.name}</bdi> on <bdi>{place.branch}</bdi>
      </h2>
      <p class="quiet">
        {isCut ? `The last ${artifacts.length} uploads` : counted(artifacts.length, 'upload')},
        without pull requests and deleted artifacts.
      </p>
      {points.length > 1 && <Chart points={points} />}
      <Figures points={points.toReversed()} now={now} />
    </>
  )
}

function pointOf(artifact: Artifact, before: Artifact | undefined, now: number): Point {
  const isComparable = before !== undefined && isLive(before, now) && isLive(artifact, now)
  return {
    artifact,
    before,
    delta: artifact.logicalBytes - (before?.logicalBytes ?? 0),
    changes: isComparable ? comparePath(artifact.project, before.id, artifact.id) : undefined,
  }
}

function Chart({ points }: { points: Point[] }) {
  return (
    <figure class="chart">
      <LinePlot
        title="Size and new bytes per run"
        series={[
          { name: 'Size', style: 's1' },
          { name: 'New bytes: not in the store before', style: 's2' },
        ]}
        points={points.map(({ artifact, before, delta, changes }, index) => ({
          x: index,
          label: `run ${artifact.runNumber}`,
          values: [artifact.logicalBytes, artifact.newBytes],
          link: {
            href: changes ?? artifactPath(artifact),
            title: `run ${artifact.runNumber}: ${formatSizeBytes(artifact.logicalBytes)}${before === undefined ? '' : `, ${formatDelta(delta)}`}`,
          },
        }))}
      />
    </figure>
  )
}

function Figures({ points, now }: { points: Point[]; now: number }) {
  return (
    <Table
      name="Size and new bytes per run"
      columns={[
        'Run',
        figures('Size'),
        figures('vs previous'),
        figures('New bytes'),
        'Uploaded',
        'Commit',
        'Artifact',
      ]}
    >
      {points.map(({ artifact, before, delta, changes }) => (
        <tr>
          <th scope="row">
            <a href={runPagePath(artifact.project, artifact.runNumber)}>{artifact.runNumber}</a>
            {artifact.attempt > 1 && <span class="badge">attempt {artifact.attempt}</span>}
          </th>
          <SizeCell bytes={artifact.logicalBytes} />
          <td class="number">
            {before === undefined ? (
              '–'
            ) : changes === undefined ? (
              <Delta bytes={delta} />
            ) : (
              <a href={changes}>
                <Delta bytes={delta} />
              </a>
            )}
          </td>
          <SizeCell bytes={artifact.newBytes} />
          <TimeCell at={artifact.createdAt} now={now} />
          <CommitCell of={artifact} />
          <td>
            <a href={artifactPath(artifact)}>{artifact.id}</a>
            {!isLive(artifact, now) && <span class="badge expired">expired</span>}
          </td>
        </tr>
      ))}
    </Table>
  )
}
