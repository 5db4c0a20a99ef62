/** Quotas: bounds on the logical bytes of live artifacts, per project and for the whole store. */
import { type ErrorDetails, type StoreError, storeError } from './errors.ts'
import { formatSizeBytes } from './units.ts'

export function quotaExceeded(details: ErrorDetails['quota_exceeded']): StoreError {
  const { scope, limitBytes, usedBytes, setting } = details
  const [used, limit] = [formatSizeBytes(usedBytes), formatSizeBytes(limitBytes)]
  const message = `storage quota of ${scope} exceeded: ${used} of ${limit} (${setting})`
  return storeError('quota_exceeded', message, details)
}
