/** Units in their order, for several connections that take them in turn. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { SendUnit } from './upload-plan.ts'

export interface UnitQueue {
  /** The next unit; undefined at the end. */
  take(): Promise<SendUnit | undefined>
  /** The same, but also undefined when it brings more content than `bytesMax`, or is not there within a moment, so that no
   *  request is kept open for it. */
  takeSoon(bytesMax: number): Promise<SendUnit | undefined>
}

/** A moment in which nothing is sent; the server gives up on a request only after minutes of it (`limits.idleBodyMs`). */
const momentMs = 200

/** Errors of `units` are met by whoever takes, and so is the end of `signal`. Holds one unit. */
export function createUnitQueue(units: AsyncIterable<SendUnit>, signal: AbortSignal): UnitQueue {
  const source = units[Symbol.asyncIterator]()
  let next = advance()

  function advance(): Promise<IteratorResult<SendUnit, unknown>> {
    const following = source.next()
    following.catch(() => {})
    return following
  }

  const takeFitting = async (
    bytesMax: number,
    isPatient: boolean,
  ): Promise<SendUnit | undefined> => {
    for (;;) {
      const offered = next
      const result = await withinMoment(offered, signal)
      if (result === undefined && isPatient) continue
      if (result === undefined || result.done === true) return undefined
      // Another connection was faster.
      if (next !== offered) continue
      if (result.value.contentBytes > bytesMax) return undefined
      next = advance()
      return result.value
    }
  }

  return {
    take: async () => await takeFitting(Number.POSITIVE_INFINITY, true),
    takeSoon: async (bytesMax) => await takeFitting(bytesMax, false),
  }
}

/** Undefined when `promise` takes longer. Errors: its own, and the signal's. */
async function withinMoment<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const over = new AbortController()
  const late = sleep(momentMs, undefined, { signal: AbortSignal.any([signal, over.signal]) })
  // Told by the race, unless that is over.
  late.catch(() => {})
  try {
    return await Promise.race([promise, late])
  } finally {
    over.abort()
  }
}
