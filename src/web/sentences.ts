/** What pages say of artifacts, in one place, so that a list and a page never disagree. */
import { effectiveState } from '../core/retention.ts'
import { formatSizeBytes } from '../core/units.ts'
import type { Artifact } from '../metadata/metadata.ts'
import { counted, formatShare } from './format.tsx'

export function isLive(artifact: Artifact, now: number): boolean {
  const state = effectiveState(artifact, now)
  return state === 'available' || state === 'damaged'
}

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
  const days = Math.round((artifact.expiresAt - artifact.createdAt) / 86_400_000)
  return days === 0 ? 'asked for less than a day' : `${counted(days, 'day')} from its upload`
}

/** What deleting brings back: bytes of the store that only these artifacts hold. */
export function freedSentence(freedBytes: number, logicalBytes: number): string {
  if (freedBytes >= logicalBytes) return `Frees ${formatSizeBytes(freedBytes)}.`
  const rest = formatShare(logicalBytes - freedBytes, logicalBytes)
  return (
    `Frees ${formatSizeBytes(freedBytes)} of ${formatSizeBytes(logicalBytes)}; ` +
    `${rest} is compressed away or shared with other artifacts, and stays.`
  )
}
