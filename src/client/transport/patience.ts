/** How long a client goes on asking a server that is down, restarting or overloaded, counted over
 *  all its requests. */

export interface Patience {
  /** How long from now an outage may last: all its time while there is none. */
  leftMs(): number
  /** Notes a response of the server itself, which ends an outage. */
  heard(): void
  /** Whether to ask again after a failure. */
  lasts(failure: string): boolean
}

const reportMs = 30_000

/** `report` is called with the first failure of an outage, and then at most every half minute. */
export function createPatience(
  lastMs: number,
  report: (failure: string) => void = () => {},
  elapsedMs: () => number = () => performance.now(),
): Patience {
  let failingSince: number | undefined
  let reportedAt: number | undefined
  const leftMs = (): number =>
    failingSince === undefined ? lastMs : Math.max(0, failingSince + lastMs - elapsedMs())
  return {
    leftMs,
    heard: () => {
      failingSince = undefined
      reportedAt = undefined
    },
    lasts: (failure) => {
      const now = elapsedMs()
      failingSince ??= now
      if (leftMs() === 0) return false
      if (reportedAt === undefined || now - reportedAt >= reportMs) {
        reportedAt = now
        report(failure)
      }
      return true
    },
  }
}
