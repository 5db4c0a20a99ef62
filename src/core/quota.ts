/** Bounds on live artifacts: quotas, on their logical bytes per project and for the whole store, and how many a run has. */
import { type ErrorDetails, type StoreError, storeError, tooLarge } from './errors.ts'
import { limits } from './limits.ts'
import { formatSizeBytes } from './units.ts'

export function quotaExceeded(details: ErrorDetails['quota_exceeded']): StoreError {
  const { scope, limitBytes, usedBytes, setting } = details
  const [used, limit] = [formatSizeBytes(usedBytes), formatSizeBytes(limitBytes)]
  const message = `storage quota of ${scope} exceeded: ${used} of ${limit} (${setting})`
  return storeError('quota_exceeded', message, details)
}

export function tooManyArtifacts(run: number): StoreError {
  const limitValue = limits.artifactsPerRunMax
  const message = `run ${run} would have more than ${limitValue} artifacts, which is as many as a run may have`
  return tooLarge('artifacts of a run', limitValue, message)
}
