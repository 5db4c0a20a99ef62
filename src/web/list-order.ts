/** The orders of a project's list, for all of it at once: as the store gives them a page at a time. */
import { comparePaths } from '../core/entry.ts'
import { isKept } from '../core/retention.ts'
import type { Artifact, ArtifactSort } from '../metadata/metadata.ts'

export function inOrder(artifacts: Artifact[], sort: ArtifactSort): Artifact[] {
  return artifacts.sort(orders[sort])
}

const orders: Record<ArtifactSort, (a: Artifact, b: Artifact) => number> = {
  newest: (a, b) => b.id - a.id,
  oldest: (a, b) => a.id - b.id,
  largest: (a, b) => b.logicalBytes - a.logicalBytes || b.id - a.id,
  costliest: (a, b) => b.newBytes - a.newBytes || b.id - a.id,
  expiring: (a, b) => endOf(a) - endOf(b) || a.id - b.id,
  // UTF-8, as that of paths.
  name: (a, b) => comparePaths(a.name, b.name) || b.id - a.id,
}

function endOf(artifact: Artifact): number {
  return isKept(artifact) ? Number.MAX_SAFE_INTEGER : artifact.expiresAt
}
