/** Selects the artifact to compare with when none is given. */
import { latestBranch } from '../core/policy/keep-latest.ts'
import type { Artifact, ArtifactFilter, Metadata } from '../metadata/metadata.ts'

/** Matches artifacts of the same name on the same branch (or on any, if this one has none). For
 *  a branch of the project this excludes artifacts of forks whose branch has the same name; for
 *  an artifact of a fork it does not exclude the project's. */
export function sameNameAs(artifact: Artifact): ArtifactFilter {
  const { projectId, name, branch } = artifact
  const latestOf = latestBranch(artifact)
  return {
    projectId,
    name,
    ...(latestOf === null ? { branch: branch ?? undefined } : { latestOf }),
  }
}

/** Returns the newest earlier artifact of the same name, on its branch if it has one, that
 *  another run made and that is live at `now`. */
export async function previousOf(
  metadata: Pick<Metadata, 'findArtifacts'>,
  artifact: Artifact,
  now: number,
): Promise<Artifact | undefined> {
  const filter: ArtifactFilter = { ...sameNameAs(artifact), beforeId: artifact.id }
  const page = { limit: 10, offset: 0, sort: 'newest', now } as const
  const artifacts = await metadata.findArtifacts(filter, page)
  // Earlier attempts of the same run do not count as a previous run.
  return artifacts.find(({ runNumber }) => runNumber !== artifact.runNumber)
}
