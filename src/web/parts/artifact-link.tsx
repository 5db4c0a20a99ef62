/** How an artifact is called where others are beside it. */
import type { Artifact } from '../../metadata/metadata.ts'
import type { Html } from './html.ts'
import { artifactPath } from '../paths.ts'

/** An artifact beside those of other runs. */
export function ArtifactLink({ artifact }: { artifact: Artifact }): Html {
  return (
    <a href={artifactPath(artifact)}>
      run {artifact.runNumber}, {artifact.name}
    </a>
  )
}

/** The same beside those of other projects. */
export function WholeArtifactLink({ artifact }: { artifact: Artifact }): Html {
  return (
    <a href={artifactPath(artifact)}>
      {artifact.project}, run {artifact.runNumber}, {artifact.name}
    </a>
  )
}
