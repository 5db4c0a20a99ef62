/** `/{o}/{r}/settings/retention`: how long artifacts are kept, as sentences, and what another length would mean. */
import { formatSizeBytes } from '../core/units.ts'
import type { RetentionPolicy } from '../core/retention.ts'
import type { Artifact, ArtifactSums, Project } from '../metadata/metadata.ts'
import { counted, formatPeriod, Size } from './format.tsx'
import type { Html } from './html.ts'
import { artifactPath, listPath, retentionPath } from './paths.ts'
import { ProjectMenu } from './project-page.tsx'

export interface RetentionView {
  project: Project
  policy: RetentionPolicy
  /** Null where the server has it. */
  override: { defaultDays: number | null; maxDays: number | null }
  /** By somebody. */
  kept: ArtifactSums
  /** Patterns of what is kept as the latest: the project's, if it has its own, and the server's. */
  keepLatest: { own: string[] | null; server: readonly string[] }
  keptLatest: ArtifactSums
  simulation: Simulation | undefined
  mayWrite: boolean
  mayChange: boolean
}

export interface Simulation {
  days: number
  /** Artifacts that would have expired by now. */
  lost: Artifact[]
  /** Of all of them, listed or not. */
  lostCount: number
  lostBytes: number
  /** What comes back to the disk. */
  freedBytes: number
  /** False when only the oldest `limits.bulkDeleteMax` were looked at. */
  complete: boolean
}

export function RetentionPage(view: RetentionView): Html {
  const { project, policy, kept, simulation } = view
  return (
    <>
      <h1>Retention of {project.name}</h1>
      <ProjectMenu project={project.name} current="retention" mayWrite={view.mayWrite} />
      <ol>
        <li>
          An artifact that somebody keeps never expires: {counted(kept.artifacts, 'artifact')},{' '}
          <Size bytes={kept.logicalBytes} />.{' '}
          <a href={listPath(project.name, { pinned: '1' })}>Show them</a>
        </li>
        <li>
          <KeptLatest {...view} />
        </li>
        <li>
          An upload that asks for a time gets it, between {formatPeriod(policy.minMs)} and{' '}
          {formatPeriod(policy.maxMs)}.
        </li>
        <li>
          All others are kept for {formatPeriod(policy.defaultMs)}
          {view.override.defaultDays === null
            ? ', as the server is set (TROVE_RETENTION_DAYS)'
            : ', as this project is set'}
          .
        </li>
      </ol>
      {view.mayChange && <ChangeForm {...view} />}
      <h2>Simulate</h2>
      <form class="filter" method="get" action={retentionPath(project.name)}>
        <label class="inline">
          If artifacts lived for
          <input
            name="days"
            type="number"
            min="0"
            max="36500"
            required
            value={String(simulation?.days ?? 30)}
          />{' '}
          days
        </label>
        <button>Simulate</button>
      </form>
      {simulation !== undefined && <Outcome simulation={simulation} />}
    </>
  )
}

function KeptLatest({ project, keepLatest, keptLatest }: RetentionView) {
  const patterns = keepLatest.own ?? keepLatest.server
  const source =
    keepLatest.own === null ? 'as the server is set (TROVE_KEEP_LATEST)' : 'as this project is set'
  if (patterns.length === 0) return <>Nothing is kept for being the latest, {source}.</>
  return (
    <>
      The latest{' '}
      {patterns.map((pattern, index) => (
        <>
          {index > 0 && ', '}
          <code>{pattern}</code>
        </>
      ))}{' '}
      does not expire before there is a newer one, {source}:{' '}
      {counted(keptLatest.artifacts, 'artifact')}, <Size bytes={keptLatest.logicalBytes} />.{' '}
      <a href={listPath(project.name, { pinned: 'latest' })}>Show them</a>
    </>
  )
}

function ChangeForm({ project, override, keepLatest }: RetentionView) {
  return (
    <form class="filter" method="post" action={retentionPath(project.name)}>
      <label>
        Days of all others (empty: as the server)
        <input
          name="defaultDays"
          type="number"
          min="1"
          max="36500"
          value={String(override.defaultDays ?? '')}
        />
      </label>
      <label>
        Longest, in days
        <input
          name="maxDays"
          type="number"
          min="1"
          max="36500"
          value={String(override.maxDays ?? '')}
        />
      </label>
      <label>
        Keep the latest
        <select name="latestFrom">
          <option value="server" selected={keepLatest.own === null}>
            as the server
          </option>
          <option value="project" selected={keepLatest.own !== null}>
            of these
          </option>
        </select>
      </label>
      <label class="wide patterns">
        BRANCH/NAME, globs, with spaces between them
        <input
          name="keepLatest"
          placeholder="main/build release/*/dist"
          value={(keepLatest.own ?? keepLatest.server).join(' ')}
        />
      </label>
      <button>Change</button>
      <span class="quiet">Artifacts that exist keep the time they have.</span>
    </form>
  )
}

function Outcome({ simulation }: { simulation: Simulation }) {
  const { days, lost, lostCount, lostBytes, freedBytes, complete } = simulation
  if (lostCount === 0) return <p role="status">No artifact is older than {counted(days, 'day')}.</p>
  return (
    <>
      <p class="lead" role="status">
        {complete ? '' : 'Of the oldest artifacts, '}
        {counted(lostCount, 'artifact')} with {formatSizeBytes(lostBytes)} would be gone by now;
        that frees {formatSizeBytes(freedBytes)} of the disk.
      </p>
      <ul>
        {lost.map((artifact) => (
          <li>
            <a href={artifactPath(artifact)}>
              run {artifact.runNumber}, {artifact.name}
            </a>
            , <Size bytes={artifact.logicalBytes} />
          </li>
        ))}
        {lostCount > lost.length && (
          <li>and {(lostCount - lost.length).toLocaleString('en')} more</li>
        )}
      </ul>
    </>
  )
}
