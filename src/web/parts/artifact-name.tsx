/** Names of artifacts in lists, and when they expire. */
import { runPagePath } from '../../api/paths.ts'
import { effectiveState, replacedReason } from '../../core/policy/retention.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { artifactPath } from '../paths.ts'
import { Time } from './format.tsx'
import type { Html } from './html.ts'
import { FactLink } from './run-facts.tsx'

/** Names an artifact among those of other runs. */
export function ArtifactLink({ artifact }: { artifact: Artifact }): Html {
  return (
    <a href={artifactPath(artifact)}>
      run {artifact.runNumber}, {artifact.name}
    </a>
  )
}

/** Names an artifact among those of other projects. */
export function WholeArtifactLink({ artifact }: { artifact: Artifact }): Html {
  return (
    <a href={artifactPath(artifact)}>
      {artifact.project}, run {artifact.runNumber}, {artifact.name}
    </a>
  )
}

/** An artifact's name in a list, with badges for whatever is special about it. */
export function ArtifactName({ artifact, now }: { artifact: Artifact; now: number }): Html {
  const state = effectiveState(artifact, now)
  return (
    <>
      <a href={artifactPath(artifact)}>{artifact.name}</a>
      {state !== 'available' && (
        <span class={`badge ${state}`}>
          {artifact.removedReason === replacedReason ? 'replaced' : state}
        </span>
      )}
      {artifact.secrets !== null && artifact.secrets > 0 && (
        <span class="badge secrets">secrets</span>
      )}
      {artifact.attempt > 1 && <span class="badge">attempt {artifact.attempt}</span>}
      {artifact.pinned && <span class="badge kept">kept</span>}
      {artifact.keptLatest && <span class="badge kept">latest</span>}
    </>
  )
}

/** The run and the branch of an artifact, as two cells of a table. */
export function RunCells({ artifact }: { artifact: Artifact }): Html {
  const { project, runNumber } = artifact
  return (
    <>
      <td>
        <a href={runPagePath(project, runNumber)}>{runNumber}</a>
      </td>
      <td>
        <FactLink of={artifact} fact="branch" />
      </td>
    </>
  )
}

/** The branch, after the name of an artifact in a sentence. */
export function OnBranch({ artifact }: { artifact: Artifact }): Html {
  if (artifact.branch === null) return <></>
  return (
    <>
      {' '}
      on <FactLink of={artifact} fact="branch" />
    </>
  )
}

export function Expiry({ artifact, now }: { artifact: Artifact; now: number }): Html {
  if (artifact.removedAt !== null) {
    return (
      <>
        {artifact.state} <Time at={artifact.removedAt} now={now} />
      </>
    )
  }
  if (artifact.pinned) return <>never</>
  if (artifact.keptLatest) return <>when a newer one exists</>
  return <Time at={artifact.expiresAt} now={now} />
}
