/** When an artifact ends, in words. */
import type { WireArtifact } from '../api/messages.ts'

/** What keeps it from expiring; null when nothing does. */
export function keepingOf({ pinned, keptLatest }: WireArtifact): string | null {
  if (pinned) return 'kept'
  return keptLatest ? 'kept as the latest of its branch' : null
}

/** Completes a sentence that begins with the artifact. */
export function endingOf(artifact: WireArtifact): string {
  const keeping = keepingOf(artifact)
  return keeping === null ? `expires at ${artifact.expiresAt}` : `is ${keeping}`
}

/** The same for a cell of a table. */
export function endingCell(artifact: WireArtifact): string {
  if (artifact.pinned) return 'kept'
  return artifact.keptLatest ? 'kept as latest' : artifact.expiresAt.slice(0, 10)
}
