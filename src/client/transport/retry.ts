/** When something that failed is tried again. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Times that a transfer of many requests may fail in a row. */
export const transferTriesMax = 6
/** So much gets through only while a network works; a failure after it is the first of a new row. */
const significantBytes = 256 * 1024

/** Milliseconds to wait after the `failures`-th failure in a row: doubles each time, with up to a quarter more or less at
 *  random, so that many jobs do not come back at once. */
export function backoffMs(firstMs: number, failures: number): number {
  return firstMs * 2 ** (failures - 1) * (0.75 + Math.random() / 2)
}

/** Answers what `transfer` does. It is tried again while what it fails with may pass, with a bound on failures in a row
 *  between which nothing much got through. `onHeld` is told, in each try, of bytes that are found to be there: what was sent may
 *  have been lost, but what the next try finds got through. Errors: those of `transfer`, the signal's. */
export async function untilThrough<T>(
  transfer: (onHeld: (bytes: number) => void) => Promise<T>,
  options: {
    isPassing(error: unknown): boolean
    /** Told of what is tried again in a moment. */
    onRetry(error: unknown): void
    signal: AbortSignal
  },
): Promise<T> {
  const { isPassing, onRetry, signal } = options
  let failures = 0
  let heldMax = 0
  for (;;) {
    let held = 0
    try {
      return await transfer((bytes) => {
        held += bytes
        if (held > heldMax + significantBytes) failures = 0
        heldMax = Math.max(heldMax, held)
      })
    } catch (error) {
      signal.throwIfAborted()
      failures += 1
      if (!isPassing(error) || failures >= transferTriesMax) throw error
      onRetry(error)
      await waitForTransfer(failures, signal)
    }
  }
}

/** Waits between two tries of a transfer. Errors: the signal's. */
export async function waitForTransfer(failures: number, signal: AbortSignal): Promise<void> {
  await sleep(backoffMs(300, failures), undefined, { signal })
}
