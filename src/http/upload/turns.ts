/** Serializes work by key, within this process. */

export interface Turns {
  /** Runs `work` once the previous work of this key has ended, successfully or not. Errors:
   *  those of the work. */
  take<Result>(key: string, work: () => Promise<Result>): Promise<Result>
  /** Resolves when the running work of this key has ended; at once when there is none. */
  over(key: string): Promise<void>
}

export function createTurns(): Turns {
  const running = new Map<string, Promise<unknown>>()
  const over = async (key: string): Promise<void> => {
    // The failure is reported to the caller of that work.
    await running.get(key)?.catch(() => undefined)
  }
  return {
    over,
    take: async (key, work) => {
      while (running.has(key)) await over(key)
      // Nothing is awaited between here and `set`, so nobody else can take the turn.
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
