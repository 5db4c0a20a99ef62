/** When an artifact ends, in few words. */
import type { WireArtifact } from '../api/messages.ts'

/** When it ends, for a cell of a table. */
export function endingCell(artifact: WireArtifact): string {
  if (artifact.pinned) return 'kept'
  return artifact.keptLatest ? 'kept as latest' : artifact.expiresAt.slice(0, 10)
}
