/** When a failed operation is retried. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer } from './answer.ts'
import { NetworkError } from './network-error.ts'

/** Upper bound on consecutive failures of a transfer of many requests. */
const transferTriesMax = 6
/** Progress that only a working network allows; a failure after it counts as the first again. */
const significantBytes = 256 * 1024

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

/** Errors: the signal's reason, where `sleep` has an error of its own. */
export async function waitFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal?.throwIfAborted())
}

/** By the error that a response was turned into. */
const askedPauses = new WeakMap<object, number>()

/** Notes how long the response behind `error` asks to wait before a retry. */
export function notePause(error: Error, pauseMs: number): Error {
  if (pauseMs > 0) askedPauses.set(error, pauseMs)
  return error
}

interface AttemptOptions {
  triesMax?: number
  /** The bound on failures holds only after this time, which is asked for at the first one. */
  retryMs?: (() => number) | undefined
  signal: AbortSignal | undefined
}

/** Bounds the consecutive failures of a transfer. */
interface Attempts {
  /** Notes how many bytes got through so far: a failure after significant progress counts as the
   *  first again. */
  reach(bytes: number): void
  /** Notes a failure; returns whether there may be another attempt. */
  mayGoOn(): boolean
  /** Waits before it, at least as long as the response behind `error` asks for. Errors: the
   *  signal's. */
  pause(error: unknown): Promise<void>
}

export function createAttempts(
  { triesMax = transferTriesMax, retryMs = () => 0, signal }: AttemptOptions,
  wait: typeof waitFor = waitFor,
): Attempts {
  let failures = 0
  let goesOnUntil = 0
  let significantAt = significantBytes
  return {
    reach: (bytes) => {
      if (bytes < significantAt) return
      failures = 0
      significantAt = bytes + significantBytes
    },
    mayGoOn: () => {
      failures += 1
      if (failures === 1) goesOnUntil = performance.now() + retryMs()
      return failures < triesMax || performance.now() < goesOnUntil
    },
    pause: async (error) => {
      const askedMs = askedPauses.get(error as object) ?? 0
      await wait(Math.max(askedMs, backoffMs(300, failures)), signal)
    },
  }
}

/** Returns the result of `transfer`, which is repeated while its failures are transient and
 *  `Attempts` permits it. `transfer` reports in each attempt the bytes that it finds already
 *  present: sent bytes may have been lost, but bytes that the next attempt finds did get through.
 *  Errors: those of `transfer`, the signal's. */
export async function untilThrough<T>(
  transfer: (onHeld: (bytes: number) => void) => Promise<T>,
  options: AttemptOptions & {
    isPassing(error: unknown): boolean
    /** Called before each retry with the error. */
    onRetry?(error: unknown): void
  },
  wait?: typeof waitFor,
): Promise<T> {
  const attempts = createAttempts(options, wait)
  for (;;) {
    let held = 0
    try {
      return await transfer((bytes) => {
        held += bytes
        attempts.reach(held)
      })
    } catch (error) {
      options.signal?.throwIfAborted()
      if (!options.isPassing(error) || !attempts.mayGoOn()) throw error
      options.onRetry?.(error)
      await attempts.pause(error)
    }
  }
}

/** Returns what `read` makes of the response of `open`. Asks again when a response breaks off, and
 *  from then on also when there is none, since the server may be restarting. Errors: those of
 *  `open` and `read`, the signal's. */
export async function untilRead<T>(
  open: () => Promise<Answer>,
  read: (answer: Answer) => Promise<T>,
  options: AttemptOptions,
): Promise<T> {
  let isAnswered = false
  const transfer = async (): Promise<T> => {
    const answer = await open()
    isAnswered = true
    return await read(answer)
  }
  // Before the first response, `open` has already retried often enough.
  const isPassing = (error: unknown): boolean => isAnswered && error instanceof NetworkError
  return await untilThrough(transfer, { ...options, isPassing })
}
