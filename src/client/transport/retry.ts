/** When a failed operation is retried. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer } from './answer.ts'
import { NetworkError } from './network-error.ts'

/** Upper bound on consecutive failures of a transfer of many requests. */
export const transferTriesMax = 6
/** Progress that only a working network allows; a failure after it counts as the first again. */
export const significantBytes: number = 256 * 1024

/** Only a client that is patient gets there. */
const pauseMsMax = 5000

/** Milliseconds to wait after the `failures`-th consecutive failure. Doubles each time, up to 5
 *  seconds, plus or minus up to a quarter at random, so that many jobs do not retry at once. */
export function backoffMs(firstMs: number, failures: number): number {
  return Math.min(pauseMsMax, firstMs * 2 ** (failures - 1)) * (0.75 + Math.random() / 2)
}

const retryAfterMaxMs = 30_000

/** Milliseconds that a `Retry-After` header asks to wait, at most half a minute; 0 when it is
 *  absent, or a date, which the clocks of two machines would have to agree on. */
export function retryAfterMs(header: string | null): number {
  const seconds = Number(header ?? 0)
  return seconds > 0 ? Math.min(retryAfterMaxMs, seconds * 1000) : 0
}

/** By the error that a response was turned into. */
const askedPauses = new WeakMap<object, number>()

/** Notes how long the response behind `error` asks to wait before a retry. */
export function notePause(error: Error, pauseMs: number): Error {
  if (pauseMs > 0) askedPauses.set(error, pauseMs)
  return error
}

/** Returns the result of `transfer`. Retries it while its failures are transient, with a bound
 *  on consecutive failures without significant progress, which holds only after `retryMs`.
 *  `transfer` reports in each attempt the bytes that it finds already present: sent bytes may have
 *  been lost, but bytes that the next attempt finds did get through. Errors: those of `transfer`,
 *  the signal's. */
export async function untilThrough<T>(
  transfer: (onHeld: (bytes: number) => void) => Promise<T>,
  options: {
    isPassing(error: unknown): boolean
    /** Called before each retry with the error. */
    onRetry(error: unknown): void
    retryMs?: number
    signal: AbortSignal
  },
  wait: typeof waitForTransfer = waitForTransfer,
): Promise<T> {
  const { isPassing, onRetry, retryMs = 0, signal } = options
  let failures = 0
  let failingSince = 0
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
      if (failures === 1) failingSince = performance.now()
      const isLate = performance.now() - failingSince >= retryMs
      if (!isPassing(error) || (isLate && failures >= transferTriesMax)) throw error
      onRetry(error)
      await wait(failures, signal, error)
    }
  }
}

/** Returns what `read` makes of the response of `open`. Asks again when a response breaks off, and
 *  from then on also when there is none, since the server may be restarting. Errors: those of
 *  `open` and `read`, the signal's. */
export async function untilRead<T>(
  open: () => Promise<Answer>,
  read: (answer: Answer) => Promise<T>,
  { triesMax, signal }: { triesMax: number; signal: AbortSignal | undefined },
): Promise<T> {
  let answer: Answer | undefined
  for (let failures = 1; ; failures++) {
    try {
      answer = await open()
      return await read(answer)
    } catch (error) {
      // `open` has already retried often enough.
      if (answer === undefined || !(error instanceof NetworkError)) throw error
      if (failures >= triesMax) throw error
      await waitForTransfer(failures, signal, error)
    }
  }
}

/** Waits between two attempts of a transfer, at least as long as the response behind `error`
 *  asks for. Errors: the signal's. */
export async function waitForTransfer(
  failures: number,
  signal: AbortSignal | undefined,
  error: unknown,
): Promise<void> {
  const asked = error instanceof Error ? (askedPauses.get(error) ?? 0) : 0
  await sleep(Math.max(asked, backoffMs(300, failures)), undefined, { signal })
}
