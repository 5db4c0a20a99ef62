/** A form that chooses what to compare an artifact with. */
import { projectPagePath } from '../../api/paths.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { Choice } from '../parts/form.tsx'
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
        No other artifact is named <bdi>{artifact.name}</bdi> in{' '}
        <a href={projectPagePath(artifact.project)}>{artifact.project}</a>.
      </p>
    )
  }
  return (
    <form class="filter" method="get" action={`${projectPagePath(artifact.project)}/compare`}>
      <input type="hidden" name="head" value={String(artifact.id)} />
      <Choice
        label="Compare with"
        name="base"
        options={others.map((other) => [String(other.id), labelOf(other)])}
      />
      <button>Compare</button>
    </form>
  )
}

function labelOf({ runNumber, branch, name, createdAt }: Artifact): string {
  const run = `run ${runNumber}${branch === null ? '' : ` on ${branch}`}`
  return `${run}, ${name}, ${new Date(createdAt).toISOString().slice(0, 10)}`
}
