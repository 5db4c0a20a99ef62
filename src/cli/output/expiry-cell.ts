/** When an artifact expires, in a few words. */
import type { WireArtifact } from '../../api/messages.ts'

/** Text for a table cell. */
export function expiryCell(artifact: WireArtifact): string {
  if (artifact.pinned) return 'kept'
  return artifact.keptLatest ? 'kept as latest' : artifact.expiresAt.slice(0, 10)
}
