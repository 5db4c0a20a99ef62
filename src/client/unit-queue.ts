/** Units in their order, for several connections that take them in turn. */
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

/** Errors of `units` are met by whoever takes. Holds one unit. */
export function createUnitQueue(units: AsyncIterable<SendUnit>): UnitQueue {
  const source = units[Symbol.asyncIterator]()
  let next = advance()

  function advance(): Promise<IteratorResult<SendUnit, unknown>> {
    const following = source.next()
    following.catch(() => {})
    return following
  }

  /** `wait` answers undefined for what it does not wait for. */
  const takeBy = async (
    bytesMax: number,
    wait: <T>(offered: Promise<T>) => Promise<T | undefined>,
  ): Promise<SendUnit | undefined> => {
    for (;;) {
      const offered = next
      const result = await wait(offered)
      if (result === undefined || result.done === true) return undefined
      // Another connection was faster.
      if (next !== offered) continue
      if (result.value.contentBytes > bytesMax) return undefined
      next = advance()
      return result.value
    }
  }

  return {
    take: async () => await takeBy(Number.POSITIVE_INFINITY, async (offered) => await offered),
    takeSoon: async (bytesMax) =>
      await takeBy(bytesMax, async (offered) => await within(momentMs, offered)),
  }
}

async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, undefined)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
