/** Detects whether anybody but maintenance uses the database: other threads that write, or
 *  callers of this one or of the thread that only reads. Maintenance rests between its steps only
 *  for them; rests take four fifths of its time. */

/** How long others count as present after using the database. */
const othersStayMs = 250

export interface OthersWatch {
  /** The write ticket that this connection has drawn; tickets skipped since the last one belong
   *  to other threads. */
  noteTicket(ticket: number): void
  /** Marks the last call as made by maintenance, which makes one at a time. */
  noteOwnCall(): void
  /** Whether another thread wrote, or another call arrived, recently. */
  arePresent(): boolean
}

/** `callCount`: the number of calls that have arrived (`ConnectionOptions`). */
export function createOthersWatch(callCount: () => number): OthersWatch {
  let seenAt = -Infinity
  let nextTicket = 0
  let calls = callCount()
  const noteCalls = (own: number): void => {
    const count = callCount()
    if (count - calls > own) seenAt = performance.now()
    calls = count
  }
  return {
    noteTicket: (ticket) => {
      if (ticket !== nextTicket) seenAt = performance.now()
      nextTicket = (ticket + 1) | 0
    },
    noteOwnCall: () => noteCalls(1),
    arePresent: () => {
      noteCalls(0)
      return performance.now() - seenAt < othersStayMs
    },
  }
}
