/** Bounds on live artifacts: quotas on logical bytes, per project and for the whole store, and the
 *  number per run. */
import { type ErrorDetails, type StoreError, storeError, tooLarge } from '../errors.ts'
import { limits } from '../limits.ts'
import { formatSizeBytes } from '../units.ts'

/** A project's own quota, or else the server's for each project, and the setting that moves it.
 *  Null: no bound. */
export function projectQuota(
  own: number | null,
  ofServer: number | null,
): { limitBytes: number | null; setting: string } {
  return own === null
    ? { limitBytes: ofServer, setting: 'TROVE_PROJECT_QUOTA' }
    : { limitBytes: own, setting: 'quotaBytes of the project' }
}

export function quotaExceeded(details: ErrorDetails['quota_exceeded']): StoreError {
  const { scope, limitBytes, usedBytes, setting } = details
  const [used, limit] = [formatSizeBytes(usedBytes), formatSizeBytes(limitBytes)]
  const message = `storage quota of ${scope} exceeded: ${used} of ${limit} (${setting})`
  return storeError('quota_exceeded', message, details)
}

export function tooManyArtifacts(run: number): StoreError {
  const limitValue = limits.artifactsPerRunMax
  const message = `run ${run} would have more than ${limitValue} artifacts, the maximum per run`
  return tooLarge('artifacts of a run', limitValue, message)
}
