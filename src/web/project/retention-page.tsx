/** `/{o}/{r}/settings/retention`: the retention rules as sentences, a form to change them, and a
 *  simulation of another lifetime. */
import type { Child } from 'hono/jsx'
import { formatSizeBytes, counted, formatPeriod } from '../../core/units.ts'
import type { RetentionPolicy } from '../../core/policy/retention.ts'
import type { Artifact, ArtifactSums } from '../../metadata/metadata.ts'
import { ArtifactLink } from '../parts/artifact-name.tsx'
import { Choice } from '../parts/form.tsx'
import { AndMore, Size } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { listPath, retentionPath } from '../paths.ts'
import { ProjectMenu } from '../parts/project-menu.tsx'
import {
  DaysField,
  NoChange,
  SettingField,
  settingSource,
  type ShownSettings,
} from './settings-form.tsx'

export interface RetentionView extends ShownSettings {
  policy: RetentionPolicy
  serverPolicy: RetentionPolicy
  /** Artifacts that somebody marked Keep. */
  kept: ArtifactSums
  /** Patterns of the artifacts to keep as the latest, used if the project has none of its own. */
  serverKeepsLatest: readonly string[]
  keptLatest: ArtifactSums
  /** Of the simulation, if one is asked for; its outcome is the child of the page. */
  days: number | undefined
}

export interface Simulation {
  days: number
  /** The first artifacts that would have expired by now. */
  lost: Artifact[]
  /** Of all such artifacts, listed or not. */
  lostCount: number
  lostBytes: number
  /** Disk space that their expiry would free. */
  freedBytes: number
  /** False if only the oldest `limits.bulkDeleteMax` artifacts were considered. */
  complete: boolean
}

export function RetentionPage({ children, ...view }: RetentionView & { children?: Child }): Html {
  const { project, policy, kept, days } = view
  return (
    <>
      <h1>Retention of {project.name}</h1>
      <ProjectMenu project={project.name} current="Retention" mayWrite={view.mayWrite} />
      <ol>
        <li>
          Artifacts marked Keep never expire: {counted(kept.artifacts, 'artifact')},{' '}
          <Size bytes={kept.logicalBytes} />.{' '}
          <a href={listPath(project.name, { pinned: '1' })}>Show them</a>
        </li>
        <li>
          <KeptLatest {...view} />
        </li>
        <li>
          An upload can ask for a retention of at least {formatPeriod(policy.minMs)} (
          {sourceOf(view, 'minMs')}) and at most {formatPeriod(policy.maxMs)} (
          {sourceOf(view, 'maxMs')}).
        </li>
        <li>
          All other artifacts are kept for {formatPeriod(policy.defaultMs)} (
          {sourceOf(view, 'defaultMs')}).
        </li>
      </ol>
      {view.mayChange ? <ChangeForm {...view} /> : <NoChange />}
      <h2>Simulate</h2>
      <form class="filter" method="get" action={retentionPath(project.name)}>
        <label class="inline">
          If artifacts were kept for
          <input
            name="days"
            type="number"
            min="0"
            max="36500"
            required
            value={String(days ?? 30)}
          />{' '}
          days
        </label>
        <button>Simulate</button>
      </form>
      {children}
    </>
  )
}

/** Which setting a length comes from, and whether the bounds changed it. */
function sourceOf(
  { project, policy, serverPolicy }: RetentionView,
  length: keyof RetentionPolicy,
): string {
  const [own, variable] = {
    minMs: [project.retentionMinMs, 'TROVE_RETENTION_MIN'] as const,
    maxMs: [project.retentionMaxMs, 'TROVE_RETENTION_MAX_DAYS'] as const,
    defaultMs: [project.retentionDefaultMs, 'TROVE_RETENTION_DAYS'] as const,
  }[length]
  const isBounded = (own ?? serverPolicy[length]) !== policy[length]
  return `${settingSource(own, variable)}${isBounded ? ', limited by the bounds' : ''}`
}

function KeptLatest({ project, serverKeepsLatest, keptLatest }: RetentionView) {
  const patterns = project.keepLatest ?? serverKeepsLatest
  const source = settingSource(project.keepLatest, 'TROVE_KEEP_LATEST')
  if (patterns.length === 0) return <>No artifacts are kept as the latest ({source}).</>
  return (
    <>
      The latest{' '}
      {patterns.map((pattern, index) => (
        <>
          {index > 0 && ', '}
          <code>{pattern}</code>
        </>
      ))}{' '}
      does not expire until there is a newer one ({source}):{' '}
      {counted(keptLatest.artifacts, 'artifact')}, <Size bytes={keptLatest.logicalBytes} />.{' '}
      <a href={listPath(project.name, { pinned: 'latest' })}>Show them</a>
    </>
  )
}

const lengths = [
  ['retentionDays', 'Default, in days', 'defaultMs'],
  ['retentionMinDays', 'Shortest, in days', 'minMs'],
  ['retentionMaxDays', 'Longest, in days', 'maxMs'],
] as const

function ChangeForm({ project, serverPolicy, form }: RetentionView) {
  return (
    <form class="filter" method="post" action={retentionPath(project.name)}>
      {lengths.map(([name, label, length]) => (
        <DaysField form={form} name={name} label={label} serverMs={serverPolicy[length]} />
      ))}
      <Choice
        label="Keep the latest"
        name="latestFrom"
        options={[
          ['server', 'as set on the server'],
          ['project', 'of these patterns'],
        ]}
        chosen={form.values.get('latestFrom')}
      />
      <SettingField
        form={form}
        name="keepLatest"
        label="BRANCH/NAME patterns, one per line"
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
        Empty fields use the server’s setting. Bounds must be within the server’s. Existing
        artifacts keep their expiry.
      </span>
    </form>
  )
}

export function Outcome({ simulation }: { simulation: Simulation }): Html {
  const { days, lost, lostCount, lostBytes, freedBytes, complete } = simulation
  if (lostCount === 0) return <p role="status">No artifact is older than {counted(days, 'day')}.</p>
  return (
    <>
      <p class="lead" role="status">
        {complete ? '' : 'Of the oldest artifacts, '}
        {counted(lostCount, 'artifact')} with {formatSizeBytes(lostBytes)} would have expired by
        now, which would free {formatSizeBytes(freedBytes)} of disk space.
      </p>
      <ul>
        {lost.map((artifact) => (
          <li>
            <ArtifactLink artifact={artifact} />, <Size bytes={artifact.logicalBytes} />
          </li>
        ))}
        <AndMore count={lostCount - lost.length} />
      </ul>
    </>
  )
}
