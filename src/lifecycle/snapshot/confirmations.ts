/** Confirmations that the bucket has what was committed, as an acknowledgement waits for them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { asError, hasCode, StoreError, storeError } from '../../core/errors.ts'

/** How long one takes at most. Who comes while one is running waits for the next one, too, and
 *  proxies wait a minute for an answer. */
const confirmMsMax = 25_000

/** Returns a function that runs `confirm` once for all who called before it began, as a database
 *  commits many transactions with one sync. It never runs twice at a time, but for one that has
 *  taken too long, whose `signal` is aborted.
 *  Errors: busy, storage_failed (invalid_request of `confirm`: the bucket is no longer this
 *  store's), other `StoreError`s of `confirm`. */
export function createConfirmations(
  confirm: (signal: AbortSignal) => Promise<void>,
): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined
  const begin = async (): Promise<void> => {
    next = undefined
    running = inTime(confirm)
    await running
  }
  return async () => {
    next ??= running.then(begin, begin)
    await next
  }
}

async function inTime(confirm: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const over = new AbortController()
  const late = sleep(confirmMsMax, undefined, { signal: over.signal, ref: false }).then(() => {
    throw new Error('the bucket takes too long')
  })
  late.catch(() => {})
  try {
    await Promise.race([confirm(over.signal), late])
  } catch (error) {
    throw unconfirmed(error)
  } finally {
    over.abort()
  }
}

function unconfirmed(error: unknown): Error {
  const { message } = asError(error)
  const cause = { cause: error }
  if (hasCode(error, 'invalid_request'))
    return storeError('storage_failed', message, { reason: message }, cause)
  if (error instanceof StoreError) return error
  const what = 'the bucket of the metadata'
  return storeError(
    'busy',
    `what was changed is not in the bucket yet: ${message}`,
    { what },
    cause,
  )
}
