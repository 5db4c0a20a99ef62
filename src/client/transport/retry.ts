/** When something that failed is tried again. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Times that a transfer of many requests may fail in a row. */
export const transferTriesMax = 6
/** So much gets through only while a network works; a failure after it is the first of a new row. */
export const significantBytes: number = 256 * 1024

/** Milliseconds to wait after the `failures`-th failure in a row: doubles each time, with up to a quarter more or less at
 *  random, so that many jobs do not come back at once. */
export function backoffMs(firstMs: number, failures: number): number {
  return firstMs * 2 ** (failures - 1) * (0.75 + Math.random() / 2)
}

/** Waits between two tries of a transfer. Errors: the signal's. */
export async function waitForTransfer(failures: number, signal: AbortSignal): Promise<void> {
  await sleep(backoffMs(300, failures), undefined, { signal })
}
