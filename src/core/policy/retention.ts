/** Retention: when an artifact expires, and what that means for its state. The clock is always an
 *  argument. */
import type { ArtifactState } from '../artifact.ts'
import { invalidRequest } from '../errors.ts'
import { dayMs } from '../units.ts'
import type { ProjectPolicy } from './project-policy.ts'

/** The server's bounds. `minMs <= defaultMs <= maxMs`. */
export interface RetentionPolicy {
  defaultMs: number
  minMs: number
  maxMs: number
}

/** A project's overrides; null means that the server's value applies. */
export type RetentionOverrides = Pick<
  ProjectPolicy,
  'retentionDefaultMs' | 'retentionMinMs' | 'retentionMaxMs'
>

/** Combines both: a project's bounds are clamped to the server's, and its default to its own
 *  bounds. */
export function projectPolicy(
  server: RetentionPolicy,
  { retentionDefaultMs, retentionMinMs, retentionMaxMs }: RetentionOverrides,
): RetentionPolicy {
  const maxMs = Math.max(server.minMs, Math.min(server.maxMs, retentionMaxMs ?? server.maxMs))
  const minMs = Math.min(maxMs, Math.max(server.minMs, retentionMinMs ?? server.minMs))
  const defaultMs = Math.min(maxMs, Math.max(minMs, retentionDefaultMs ?? server.defaultMs))
  return { defaultMs, minMs, maxMs }
}

/** Rejects overrides that contradict each other, which `projectPolicy` would silently clamp to
 *  something nobody asked for. Bounds outside the server's are allowed: they take effect once the
 *  server's bounds include them.
 *  Errors: invalid_request. */
export function checkOverrides({
  retentionDefaultMs,
  retentionMinMs,
  retentionMaxMs,
}: RetentionOverrides): void {
  const refuse = (field: string, reason: string): never => {
    throw invalidRequest(field, `${field} ${reason}`)
  }
  if (retentionMinMs !== null && retentionMaxMs !== null && retentionMinMs > retentionMaxMs)
    refuse('retentionMinDays', 'must not be above retentionMaxDays')
  if (retentionDefaultMs === null) return
  if (retentionMaxMs !== null && retentionDefaultMs > retentionMaxMs)
    refuse('retentionDays', 'must not be above retentionMaxDays')
  if (retentionMinMs !== null && retentionDefaultMs < retentionMinMs)
    refuse('retentionDays', 'must not be below retentionMinDays')
}

/** What an uploader asked for: a number of days (0: the default), an instant, or nothing. */
export type RetentionRequest = { days: number } | { expiresAt: number } | null

/** The instant at which an artifact expires whose retention counts `from` an instant. Requests
 *  outside the bounds are clamped, never rejected: a job whose clock is wrong still gets its
 *  artifact.
 *  Errors: invalid_request for a number of days that is negative or not whole. */
export function expiresAtOf(
  request: RetentionRequest,
  policy: RetentionPolicy,
  from: number,
): number {
  return from + Math.min(policy.maxMs, Math.max(policy.minMs, wantedMs(request, policy, from)))
}

/** The new expiry when it is changed later. The upper bound counts `from` an instant, as that of a
 *  new artifact, so that an old one can be extended. There is no lower bound, since anybody who may
 *  set the expiry may also delete: a past instant means now. */
export function changedExpiresAt(
  expiresAt: number,
  policy: RetentionPolicy,
  { now, from }: { now: number; from: number },
): number {
  return Math.min(from + policy.maxMs, Math.max(now, expiresAt))
}

function wantedMs(request: RetentionRequest, policy: RetentionPolicy, from: number): number {
  if (request === null) return policy.defaultMs
  if ('expiresAt' in request) return request.expiresAt - from
  if (!Number.isInteger(request.days) || request.days < 0) {
    throw invalidRequest(
      'retentionDays',
      `retention must be a whole number of days, got ${request.days}`,
    )
  }
  return request.days === 0 ? policy.defaultMs : request.days * dayMs
}

/** When an artifact expires, and what prevents that. */
export interface Ending {
  expiresAt: number
  pinned: boolean
  keptLatest: boolean
}

/** Whether the artifact is exempt from expiry: kept by a person, or as the latest of its branch. */
export function isKept({ pinned, keptLatest }: Ending): boolean {
  return pinned || keptLatest
}

/** True from the very millisecond of `expiresAt`; never for a kept artifact (invariant 9). */
export function isExpired(artifact: Ending, now: number): boolean {
  return !isKept(artifact) && artifact.expiresAt <= now
}

/** The state that readers see: an expired artifact is gone whether or not the sweep has run. */
export function effectiveState(
  artifact: Ending & { state: ArtifactState },
  now: number,
): ArtifactState {
  return isServed(artifact.state) && isExpired(artifact, now) ? 'expired' : artifact.state
}

/** Whether readers can see it, whole or damaged. */
export function isLive(artifact: Ending & { state: ArtifactState }, now: number): boolean {
  return isServed(effectiveState(artifact, now))
}

function isServed(state: ArtifactState): boolean {
  return state === 'available' || state === 'damaged'
}

/** Reason of removal of an artifact whose name was taken by a later upload of its run. */
export const replacedReason = 'replaced'

/** Whether a deletion can still be undone. A replaced artifact cannot be restored. */
export function isRestorable(
  removed: { state: ArtifactState; removedAt: number | null; removedReason: string | null },
  { undoMs, now }: { undoMs: number; now: number },
): boolean {
  const { state, removedAt, removedReason } = removed
  if (state !== 'deleted' || removedReason === replacedReason) return false
  return removedAt !== null && now < removedAt + undoMs
}
