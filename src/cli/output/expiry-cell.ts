/** When an artifact expires, in a few words for a table cell. */
import type { WireArtifact } from '../../api/messages.ts'

export function expiryCell(artifact: WireArtifact): string {
  if (artifact.pinned) return 'kept'
  return artifact.keptLatest ? 'kept as latest' : artifact.expiresAt.slice(0, 10)
}
