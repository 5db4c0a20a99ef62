/** Sentences about an artifact's lifetime and size, in one place so that pages, lists and commands
 *  agree. */
import type { ArtifactState } from '../artifact.ts'
import type { Ending } from './retention.ts'
import { formatPeriod, formatSizeBytes } from '../units.ts'

/** What keeps an artifact from expiring; null when nothing does. */
export function whyKept({ pinned, keptLatest }: Omit<Ending, 'expiresAt'>): string | null {
  if (pinned) return 'kept until someone stops keeping it'
  return keptLatest ? 'kept until its branch has a newer one' : null
}

/** The period from an artifact's upload to its expiry. */
export function lifetime({
  createdAt,
  expiresAt,
}: {
  createdAt: number
  expiresAt: number
}): string {
  return `${formatPeriod(expiresAt - createdAt)} from its upload`
}

/** Why an artifact expires when it does. `defaultMs`: the project's default retention. */
export function keepingReason(
  artifact: Ending & { createdAt: number },
  defaultMs: number | null = null,
): string {
  const kept = whyKept(artifact)
  if (kept !== null) return kept
  const own = lifetime(artifact)
  if (defaultMs === null) return own
  const isUsual = own === lifetime({ createdAt: 0, expiresAt: defaultMs })
  return `${own}${isUsual ? ', the default' : `; the default is ${formatPeriod(defaultMs)}`}`
}

/** Why an artifact is gone. */
export function endReason(artifact: {
  state: ArtifactState
  createdAt: number
  expiresAt: number
  removedReason: string | null
}): string {
  return artifact.state === 'deleted' ? (artifact.removedReason ?? 'deleted') : lifetime(artifact)
}

/** How much space deleting artifacts of `logicalBytes` frees, and what happens to the rest: a
 *  sentence without its subject. */
export function freedPredicate(
  logicalBytes: number,
  { freedBytes, sharedBytes }: { freedBytes: number; sharedBytes: number },
): string {
  const savedBytes = logicalBytes - freedBytes - sharedBytes
  const rest = [
    ...(sharedBytes > 0 ? [`${formatSizeBytes(sharedBytes)} is shared and stays`] : []),
    ...(savedBytes > 0
      ? [`${formatSizeBytes(savedBytes)} is saved by compression and deduplication`]
      : []),
  ]
  const freed = `frees ${formatSizeBytes(freedBytes)}`
  if (rest.length === 0) return `${freed}.`
  // Tiny files can take much more space than their logical bytes: each has framing in its pack.
  const of = savedBytes < -logicalBytes / 100 ? '' : ` of ${formatSizeBytes(logicalBytes)}`
  return `${freed}${of}; ${rest.join(', ')}.`
}
