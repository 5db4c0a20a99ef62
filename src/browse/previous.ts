/** What an artifact is compared with when nobody says. */
import { latestBranch } from '../core/keep-latest.ts'
import type { Artifact, ArtifactFilter, Metadata } from '../metadata/metadata.ts'

/** What has the name of an artifact on its branch, if it has one. What a fork calls by the same branch is none of it, but can
 *  be seen beside it. */
export function sameNameAs(artifact: Artifact): ArtifactFilter {
  const { projectId, name, branch } = artifact
  const latestOf = latestBranch(artifact)
  return {
    projectId,
    name,
    ...(latestOf === null ? { branch: branch ?? undefined } : { latestOf }),
  }
}

/** The newest artifact of the same name before this one, on its branch if it has one, that another run made. Live at `now`. */
export async function previousOf(
  metadata: Pick<Metadata, 'findArtifacts'>,
  artifact: Artifact,
  now: number,
): Promise<Artifact | undefined> {
  const filter: ArtifactFilter = { ...sameNameAs(artifact), beforeId: artifact.id }
  const page = { limit: 10, offset: 0, sort: 'newest', now } as const
  const artifacts = await metadata.findArtifacts(filter, page)
  // Earlier attempts of a run are not the run before.
  return artifacts.find(({ runNumber }) => runNumber !== artifact.runNumber)
}
