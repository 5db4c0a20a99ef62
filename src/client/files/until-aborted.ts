/** Waits for work that does not observe the signal, such as worker threads reading files, which
 *  can take minutes. Closing the pool ends that work. */

/** Returns the result of `work`, or throws the signal's reason as soon as it is aborted. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // A rejection is handled below, unless the wait was aborted.
  work.catch(() => {})
  signal.throwIfAborted()
  const over = new AbortController()
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { signal: over.signal })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    over.abort()
  }
}
