/** What pages say of artifacts, in one place, so that a list and a page never disagree. */
import { formatSizeBytes, counted } from '../../core/units.ts'
import type { Artifact } from '../../metadata/metadata.ts'

/** Whether a deletion can still be taken back. */
export function isRestorable(
  { state, removedAt }: Artifact,
  { undoMs, now }: { undoMs: number; now: number },
): boolean {
  return state === 'deleted' && removedAt !== null && now < removedAt + undoMs
}

/** Why an artifact is there for as long as it is. */
export function keepingReason(artifact: Artifact): string {
  if (artifact.pinned) return 'kept until somebody lets it go'
  if (artifact.keptLatest) return 'kept until its branch has a newer one'
  const days = Math.round((artifact.expiresAt - artifact.createdAt) / 86_400_000)
  return days === 0 ? 'asked for less than a day' : `${counted(days, 'day')} from its upload`
}

/** What deleting brings back, and where the rest is: `packedBytes` is what the artifacts take when compressed. */
export function freedSentence(
  freedBytes: number,
  { logicalBytes, packedBytes }: { logicalBytes: number; packedBytes: number },
): string {
  const compressed = Math.max(0, logicalBytes - Math.max(packedBytes, freedBytes))
  const shared = Math.max(0, logicalBytes - compressed - freedBytes)
  const rest = [
    ...(compressed > 0 ? [`${formatSizeBytes(compressed)} is compressed away`] : []),
    ...(shared > 0 ? [`${formatSizeBytes(shared)} is shared and stays`] : []),
  ]
  const freed = `Frees ${formatSizeBytes(freedBytes)}`
  if (rest.length === 0) return `${freed}.`
  return `${freed} of ${formatSizeBytes(logicalBytes)}; ${rest.join(', ')}.`
}
