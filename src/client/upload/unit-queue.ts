/** A queue of units in order, shared by several connections. */
import { setTimeout as sleep } from 'node:timers/promises'
import { untilAborted } from '../files/until-aborted.ts'
import type { SendUnit } from './upload-plan.ts'

export interface UnitQueue {
  /** Returns the next unit; undefined at the end. */
  take(): Promise<SendUnit | undefined>
  /** Like `take`, but also returns undefined when the next unit has more content than
   *  `bytesMax`, or is not ready within a moment, so that no request is kept open for it. */
  takeSoon(bytesMax: number): Promise<SendUnit | undefined>
}

/** How long `takeSoon` waits. The server gives up on an idle request only after minutes
 *  (`limits.idleBodyMs`). */
const momentMs = 200

/** Errors of `units`, and the end of `signal`, are thrown by the take functions. Reads one unit
 *  ahead. */
export function createUnitQueue(units: AsyncIterable<SendUnit>, signal: AbortSignal): UnitQueue {
  const source = units[Symbol.asyncIterator]()
  let next = advance()

  function advance(): Promise<IteratorResult<SendUnit, unknown>> {
    const following = source.next()
    following.catch(() => {})
    return following
  }

  /** `wait` returns undefined when it takes too long. */
  const takeFitting = async (
    bytesMax: number,
    wait: <T>(offered: Promise<T>) => Promise<T | undefined>,
  ): Promise<SendUnit | undefined> => {
    for (;;) {
      const offered = next
      const result = await untilAborted(wait(offered), signal)
      if (result === undefined || result.done === true) return undefined
      // Another connection has taken it.
      if (next !== offered) continue
      if (result.value.contentBytes > bytesMax) return undefined
      next = advance()
      return result.value
    }
  }

  return {
    take: async () => await takeFitting(Number.POSITIVE_INFINITY, (offered) => offered),
    takeSoon: async (bytesMax) => await takeFitting(bytesMax, withinMoment),
  }
}

/** Returns undefined when `promise` takes longer than a moment. Errors: those of `promise`. */
async function withinMoment<T>(promise: Promise<T>): Promise<T | undefined> {
  const over = new AbortController()
  const late = sleep(momentMs, undefined, { signal: over.signal })
  // A rejection is handled by the race, unless that has ended.
  late.catch(() => {})
  try {
    return await Promise.race([promise, late])
  } finally {
    over.abort()
  }
}
