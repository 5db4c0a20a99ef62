/** Errors for the bounds on live artifacts: quotas on logical bytes, per project and for the whole
 *  store, and the number per run. */
import { type ErrorDetails, type StoreError, storeError, tooLarge } from '../errors.ts'
import { limits } from '../limits.ts'
import { formatSizeBytes } from '../units.ts'

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
