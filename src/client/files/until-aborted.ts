/** Waits for work that does not observe the signal, such as worker threads reading files, which
 *  can take minutes. Closing the pool ends that work. */
import { once } from 'node:events'

/** Returns the result of `work`, or throws the signal's reason as soon as it is aborted. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // A rejection is handled below, unless the wait was aborted.
  work.catch(() => {})
  signal.throwIfAborted()
  const over = new AbortController()
  const aborted = once(signal, 'abort', { signal: over.signal }).then(() => signal.throwIfAborted())
  // A rejection is handled by the race, unless that has ended.
  aborted.catch(() => {})
  try {
    await Promise.race([work, aborted])
    return await work
  } finally {
    over.abort()
  }
}
