/** Sorts the whole list of a project's artifacts in the order in which the store returns its
 *  pages. */
import {
  type ArtifactOrder,
  artifactOrders,
  type ArtifactSort,
  comparison,
  nameKey,
} from '../../core/manifest/artifact-order.ts'
import { isKept } from '../../core/policy/retention.ts'
import type { Artifact } from '../../metadata/metadata.ts'

export function inOrder(artifacts: Artifact[], sort: ArtifactSort): Artifact[] {
  const order = artifactOrders[sort]
  const compare = comparison(order)
  return artifacts
    .map((artifact) => ({ id: artifact.id, key: keyOf(artifact, order), artifact }))
    .sort(compare)
    .map(({ artifact }) => artifact)
}

function keyOf(artifact: Artifact, { by }: ArtifactOrder): number | string {
  if (by === 'name') return nameKey(artifact.name)
  if (by !== 'endsAt') return artifact[by]
  return isKept(artifact) ? Number.MAX_SAFE_INTEGER : artifact.expiresAt
}
