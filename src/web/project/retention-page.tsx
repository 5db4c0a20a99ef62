/** `/{o}/{r}/settings/retention`: how long artifacts are kept, as sentences, and what another length would mean. */
import { formatSizeBytes, counted, formatPeriod, formatCount } from '../../core/units.ts'
import type { RetentionPolicy } from '../../core/retention.ts'
import type { Artifact, ArtifactSums, Project } from '../../metadata/metadata.ts'
import { ArtifactLink } from '../parts/artifact-name.tsx'
import { Choice } from '../parts/form.tsx'
import { Size } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { listPath, retentionPath } from '../paths.ts'
import { ProjectMenu } from '../parts/project-menu.tsx'
import {
  DaysField,
  NoChange,
  SettingField,
  type SettingsForm,
  settingSource,
} from './settings-form.tsx'

export interface RetentionView {
  project: Project
  policy: RetentionPolicy
  serverPolicy: RetentionPolicy
  /** By somebody. */
  kept: ArtifactSums
  /** Patterns of what is kept as the latest, where the project has none of its own. */
  serverKeepsLatest: readonly string[]
  keptLatest: ArtifactSums
  simulation: Simulation | undefined
  form: SettingsForm
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
          An upload that asks for a time gets it, from {formatPeriod(policy.minMs)},{' '}
          {sourceOf(view, 'minMs')}, to {formatPeriod(policy.maxMs)}, {sourceOf(view, 'maxMs')}.
        </li>
        <li>
          All others are kept for {formatPeriod(policy.defaultMs)}, {sourceOf(view, 'defaultMs')}.
        </li>
      </ol>
      {view.mayChange ? <ChangeForm {...view} /> : <NoChange />}
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

/** Whose word a length is, and whether it holds as it stands. */
function sourceOf(
  { project, policy, serverPolicy }: RetentionView,
  length: keyof RetentionPolicy,
): string {
  const [own, variable] = {
    minMs: [project.retentionMinMs, 'TROVE_RETENTION_MIN'] as const,
    maxMs: [project.retentionMaxMs, 'TROVE_RETENTION_MAX_DAYS'] as const,
    defaultMs: [project.retentionDefaultMs, 'TROVE_RETENTION_DAYS'] as const,
  }[length]
  const isMoved = (own ?? serverPolicy[length]) !== policy[length]
  return `${settingSource(own, variable)}${isMoved ? ' and the bounds allow' : ''}`
}

function KeptLatest({ project, serverKeepsLatest, keptLatest }: RetentionView) {
  const patterns = project.keepLatest ?? serverKeepsLatest
  const source = settingSource(project.keepLatest, 'TROVE_KEEP_LATEST')
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

function ChangeForm({ project, serverPolicy, form }: RetentionView) {
  return (
    <form class="filter" method="post" action={retentionPath(project.name)}>
      <DaysField
        form={form}
        name="retentionDays"
        label="Days of all others"
        serverMs={serverPolicy.defaultMs}
      />
      <DaysField
        form={form}
        name="retentionMinDays"
        label="Shortest, in days"
        serverMs={serverPolicy.minMs}
      />
      <DaysField
        form={form}
        name="retentionMaxDays"
        label="Longest, in days"
        serverMs={serverPolicy.maxMs}
      />
      <Choice
        label="Keep the latest"
        name="latestFrom"
        options={[
          ['server', 'as the server'],
          ['project', 'of these'],
        ]}
        chosen={form.values.get('latestFrom')}
      />
      <SettingField
        form={form}
        name="keepLatest"
        label="BRANCH/NAME, globs, one on a line"
        style="wide patterns"
      >
        {(attributes, value) => (
          <textarea {...attributes} rows={3} placeholder={'main/build\nrelease/*/dist'}>
            {value}
          </textarea>
        )}
      </SettingField>
      <button>Change</button>
      <span class="quiet">
        Empty is as the server. Bounds lie within the server’s. Artifacts that exist keep the time
        they have.
      </span>
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
            <ArtifactLink artifact={artifact} />, <Size bytes={artifact.logicalBytes} />
          </li>
        ))}
        {lostCount > lost.length && <li>and {formatCount(lostCount - lost.length)} more</li>}
      </ul>
    </>
  )
}
