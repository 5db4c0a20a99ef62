/** When an artifact ends, in words. */
import type { WireArtifact } from '../api/messages.ts'

/** What keeps it from expiring; null when nothing does. */
export function keepingOf({ pinned, keptLatest }: WireArtifact): string | null {
  if (pinned) return 'kept'
  return keptLatest ? 'kept as the latest of its branch' : null
}

/** When it ends, for a cell of a table. */
export function endingCell(artifact: WireArtifact): string {
  if (artifact.pinned) return 'kept'
  return artifact.keptLatest ? 'kept as latest' : artifact.expiresAt.slice(0, 10)
}
