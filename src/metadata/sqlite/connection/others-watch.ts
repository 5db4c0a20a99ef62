/** Whether anybody but upkeep uses the database: other threads that write, or callers of this one. Only for them does upkeep
 *  rest between its steps; rests take four fifths of its time. */

/** How long somebody counts as there who has used it. */
const othersStayMs = 250

export interface OthersWatch {
  /** The turn to write that this connection has drawn; the ones between are those of other threads. */
  noteTicket(ticket: number): void
  /** The last call is that of upkeep, which makes one at a time. */
  noteOwnCall(): void
  /** Whether another thread wrote, or another call came, lately. */
  areThere(): boolean
}

/** `callCount`: how many calls this thread was given so far. */
export function createOthersWatch(callCount: () => number): OthersWatch {
  let seenAt = -Infinity
  let nextTicket: number | undefined
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
    areThere: () => {
      noteCalls(0)
      return performance.now() - seenAt < othersStayMs
    },
  }
}
