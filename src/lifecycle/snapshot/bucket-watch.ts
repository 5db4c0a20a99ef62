/** Notices that another server has taken the bucket over, which nobody tells this one: what is
 *  acknowledged here after that is not in the store. */
import { setTimeout as sleep } from 'node:timers/promises'
import { storeError } from '../../core/errors.ts'

/** Each check is a request for an object of 32 bytes. */
const checkMs = 10_000

export interface BucketWatch {
  /** Resolves with the reason once the bucket is another server's; otherwise never. */
  replaced: Promise<Error>
  /** Errors: storage_failed, after that. */
  requireKept(): void
  stop(): void
}

/** `findSuccessor` returns why the bucket is another server's; undefined when it is not. */
export function startBucketWatch(
  findSuccessor: () => Promise<Error | undefined>,
  intervalMs = checkMs,
): BucketWatch {
  const stop = new AbortController()
  const { signal } = stop
  let reason: Error | undefined
  const watch = async (): Promise<Error> => {
    for (;;) {
      await sleep(intervalMs, undefined, { signal, ref: false })
      // What else fails is reported by whoever needs the bucket.
      reason = await findSuccessor().catch(() => undefined)
      if (reason !== undefined) return reason
    }
  }
  const never = new Promise<never>(() => {})
  return {
    replaced: watch().catch(() => never),
    requireKept: () => {
      if (reason === undefined) return
      const { message } = reason
      throw storeError('storage_failed', message, { reason: message }, { cause: reason })
    },
    stop: () => stop.abort(),
  }
}
