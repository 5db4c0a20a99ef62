/** Work of which one piece at a time goes on for each key, in this process. */

export interface Turns {
  /** Begins once the work before it with this key is over, however that ended. Errors: those of the work. */
  take<Result>(key: string, work: () => Promise<Result>): Promise<Result>
  /** Resolves once the work that goes on with this key is over; at once when there is none. */
  over(key: string): Promise<void>
}

export function createTurns(): Turns {
  const running = new Map<string, Promise<unknown>>()
  const over = async (key: string): Promise<void> => {
    // Its failure is told to those who began it.
    await running.get(key)?.catch(() => undefined)
  }
  return {
    over,
    take: async (key, work) => {
      while (running.has(key)) await over(key)
      // From here to `set` nothing waits, so nobody else can take the turn.
      const begun = work()
      running.set(key, begun)
      try {
        return await begun
      } finally {
        running.delete(key)
      }
    },
  }
}
