/** A choice of what to compare an artifact with. */
import { projectPagePath } from '../../api/paths.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import type { Html } from '../parts/html.ts'

export function CompareChooser({
  artifact,
  others,
}: {
  artifact: Artifact
  others: Artifact[]
}): Html {
  if (others.length === 0) {
    return (
      <p class="quiet">
        No other artifact is called <bdi>{artifact.name}</bdi> in{' '}
        <a href={projectPagePath(artifact.project)}>{artifact.project}</a>.
      </p>
    )
  }
  return (
    <form class="filter" method="get" action={`${projectPagePath(artifact.project)}/compare`}>
      <input type="hidden" name="head" value={String(artifact.id)} />
      <label>
        Compare with
        <select name="base">
          {others.map((other) => (
            <option value={String(other.id)}>
              run {other.runNumber}
              {other.branch === null ? '' : ` on ${isolated(other.branch)}`}, {isolated(other.name)}
              , {new Date(other.createdAt).toISOString().slice(0, 10)}
            </option>
          ))}
        </select>
      </label>
      <button>Compare</button>
    </form>
  )
}

/** As `bdi` does where no element can be: what turns the direction of a name does not turn what is around it. */
function isolated(text: string): string {
  return `\u2068${text}\u2069`
}
