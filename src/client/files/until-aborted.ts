/** Waiting for what knows nothing of the signal, such as threads that read files, which can take minutes; what they were at
 *  is given up with the pool. */
import { once } from 'node:events'

/** What `work` comes to, or the signal's reason as soon as that is aborted. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // Met below, unless nobody waits for it.
  work.catch(() => {})
  signal.throwIfAborted()
  const over = new AbortController()
  const aborted = once(signal, 'abort', { signal: over.signal }).then(() => signal.throwIfAborted())
  // Told by the race, unless that is over.
  aborted.catch(() => {})
  try {
    await Promise.race([work, aborted])
    return await work
  } finally {
    over.abort()
  }
}
