/** A form that chooses what to compare an artifact with. */
import { minuteOf } from '../../api/audit-words.ts'
import { projectPagePath } from '../../api/paths.ts'
import { sameNameAs } from '../../browse/previous.ts'
import type { AppContext } from '../../http/context.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { Options } from '../parts/form.tsx'
import type { Html } from '../parts/html.ts'

/** Newest artifacts of the same name to choose from. */
export interface Comparables {
  /** On the branch of the artifact; any, if it has none. */
  onBranch: Artifact[]
  elsewhere: Artifact[]
}

const offeredMax = 50

/** Finds what `artifact` can be compared with. */
export async function findComparables(
  { metadata, now }: AppContext,
  artifact: Artifact,
): Promise<Comparables> {
  const page = { limit: offeredMax, offset: 0, sort: 'newest', now: now() } as const
  const { projectId, name, id } = artifact
  const [onBranch, all] = await Promise.all([
    metadata.findArtifacts(sameNameAs(artifact), page),
    metadata.findArtifacts({ projectId, name }, page),
  ])
  const known = new Set([id, ...onBranch.map((each) => each.id)])
  return {
    onBranch: onBranch.filter((each) => each.id !== id),
    elsewhere: all.filter((each) => !known.has(each.id)),
  }
}

export function CompareChooser({
  artifact,
  base,
  comparables: { onBranch, elsewhere },
}: {
  artifact: Artifact
  /** What it is compared with. */
  base?: Artifact
  comparables: Comparables
}): Html {
  if (onBranch.length + elsewhere.length === 0) {
    return (
      <p class="quiet">
        No other artifact is named <bdi>{artifact.name}</bdi> in{' '}
        <a href={projectPagePath(artifact.project)}>{artifact.project}</a>.
      </p>
    )
  }
  const isListed = [...onBranch, ...elsewhere].some(({ id }) => id === base?.id)
  const optionsOf = (artifacts: Artifact[]) => (
    <Options
      options={artifacts.map((each) => [String(each.id), labelOf(each, artifact)])}
      chosen={base && String(base.id)}
    />
  )
  return (
    <form class="filter" method="get" action={`${projectPagePath(artifact.project)}/compare`}>
      <input type="hidden" name="head" value={String(artifact.id)} />
      <label>
        Compare with
        <select name="base">
          {base !== undefined && !isListed && optionsOf([base])}
          {optionsOf(onBranch)}
          {elsewhere.length > 0 && (
            <optgroup label="On other branches">{optionsOf(elsewhere)}</optgroup>
          )}
        </select>
      </label>
      <button>Compare</button>
    </form>
  )
}

/** Begins with the time, by which people look for a build: `2026-11-23 08:12 UTC, run 370`. */
function labelOf({ runNumber, branch, name, createdAt }: Artifact, head: Artifact): string {
  const parts = [
    minuteOf(new Date(createdAt).toISOString()),
    `run ${runNumber}`,
    ...(branch === head.branch || branch === null ? [] : [branch]),
    ...(name === head.name ? [] : [name]),
  ]
  return parts.join(', ')
}
